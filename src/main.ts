#!/usr/bin/env node
// No imports at the top: an old Node must live long enough to print the message.
const OLDEST_NODE = [22, 19] as const;
const [major, minor] = process.versions.node.split('.').map(Number);

if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
  console.error(
    `mixllm needs Node.js ${OLDEST_NODE.join('.')} or newer; this is ${process.versions.node}. Install a newer one (https://nodejs.org), or one next to the package: npm install node@24`,
  );
  process.exitCode = 1;
} else {
  // Until the gateway installs its own handlers: a SIGHUP for a config change must not end it (the config is read after
  // this), and process 1 of a container ignores a SIGTERM without a handler. Other commands end as usual.
  if (process.argv[2] === 'serve') {
    process.on('SIGHUP', () => {});
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(0));
  }
  const { run } = await import('./cli/program.ts');
  const { sayFailure, watchStandardStreams } = await import('./cli/standard-streams.ts');
  const fail = (reason: string) => {
    sayFailure(process.stderr, reason);
    process.exitCode = 1;
  };
  watchStandardStreams(process.stdout, process.stderr, fail);
  try {
    await run(process.argv);
  } catch (error) {
    // Users get the message; whoever sets DEBUG gets the stack.
    const stack = process.env.DEBUG && error instanceof Error ? error.stack : null;
    fail(stack ?? (error instanceof Error ? error.message : String(error)));
  }
}

export {};
