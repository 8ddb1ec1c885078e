#!/usr/bin/env node
// No static imports: an old version of Node must get far enough to print the message.
const OLDEST_NODE = [22, 19] as const;
const [major, minor] = process.versions.node.split('.').map(Number);

if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
  console.error(
    `mixllm needs Node.js ${OLDEST_NODE.join('.')} or newer; this is ${process.versions.node}. Install a newer one (https://nodejs.org), or one next to the package: npm install node@24`,
  );
  process.exitCode = 1;
} else {
  // Until the gateway installs its own handlers: a SIGHUP sent because of a config change must not end the process (the
  // config is read later than this), and as process 1 of a container it would ignore a SIGTERM without a handler. Other
  // commands end as usual.
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
    // Users get the message; with DEBUG set, they get the stack.
    const stack = process.env.DEBUG && error instanceof Error ? error.stack : null;
    fail(stack ?? (error instanceof Error ? error.message : String(error)));
  }
}

export {};
