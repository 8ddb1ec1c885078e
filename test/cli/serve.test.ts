import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLEAN_ENVIRONMENT } from '../support/clean-environment.ts';
import { get } from '../support/gateway.ts';
import { COMPLETION, chunk, sse, startRawUpstream } from '../support/raw-upstream.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let folder: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mixllm-serve-'));
});
afterEach(async () => {
  if (child && child.exitCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  child = undefined;
  rmSync(folder, { recursive: true });
});

function mixllm(args: string[], environment: Record<string, string> = {}, cwd = ROOT) {
  return spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    cwd,
    env: { ...CLEAN_ENVIRONMENT, ...environment },
  });
}

/** Starts `mixllm serve`. @returns also `saw`, which waits for a line of its log */
function launch(file: string, environment: Record<string, string> = {}) {
  let output = '';
  const waiting: (() => void)[] = [];
  const started = spawn(process.execPath, [MAIN, 'serve', '--config', file], {
    cwd: folder,
    env: { ...CLEAN_ENVIRONMENT, ...environment },
  });
  child = started;
  for (const stream of [started.stdout, started.stderr]) {
    stream?.on('data', (data) => {
      output += data;
      for (const look of waiting) look();
    });
  }
  const saw = (pattern: RegExp) =>
    new Promise<RegExpMatchArray>((resolve, reject) => {
      const look = () => {
        const match = output.match(pattern);
        if (match) resolve(match);
      };
      const ended = () => reject(new Error(`serve ended with ${started.exitCode}: ${output}`));
      waiting.push(look);
      started.once('exit', ended);
      look();
      if (started.exitCode !== null || started.signalCode !== null) ended();
    });
  return { saw, child: started, output: () => output };
}

/** Starts `mixllm serve` and waits until it listens. */
async function serve(file: string, environment: Record<string, string> = {}) {
  const launched = launch(file, environment);
  const [, url] = await launched.saw(/listens on (http:\/\/[^/]+)\/v1/);
  return { ...launched, url };
}

/** Resolves once nothing listens there any more. */
async function refused(url: string): Promise<void> {
  for (;;) {
    try {
      await fetch(`${url}/health/live`, { headers: { connection: 'close' } });
      await sleep(50);
    } catch {
      return;
    }
  }
}

function config(upstream: string, weight: number): string {
  return [
    `server: { port: 0, drain_s: 2 }`,
    `providers: { local: { type: openai, base_url: "${upstream}" } }`,
    `models: [{ id: big, provider: local, price: { input: 1, output: 2 } }]`,
    `routing: { weight: ${weight} }`,
    `storage: { url: "sqlite:${join(folder, 'log.db')}" }`,
  ].join('\n');
}

describe('mixllm serve', () => {
  it('without a provider key exits non-zero, and names the variables to set and the demo', () => {
    const { status, stderr } = mixllm(['serve']);
    expect(status).toBe(1);
    for (const hint of ['OPENAI_API_KEY', 'ANTHROPIC_API_KEY', 'npm run demo']) expect(stderr).toContain(hint);
  });

  it('refuses an open host without keys, a missing file, and an invalid PORT', () => {
    const open = mixllm(['serve'], { OPENAI_API_KEY: 'x', HOST: '0.0.0.0' });
    expect([open.status, open.stderr]).toEqual([1, expect.stringContaining('auth.keys')]);
    const missing = mixllm(['serve', '--config', join(folder, 'none.yaml')]);
    expect([missing.status, missing.stderr]).toEqual([1, expect.stringContaining('--config')]);
    const port = mixllm(['serve'], { OPENAI_API_KEY: 'x', PORT: 'http' });
    expect([port.status, port.stderr]).toEqual([1, expect.stringContaining('PORT')]);
  });

  it('says what to do if the port is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const file = join(folder, 'taken.yaml');
    writeFileSync(file, config('http://127.0.0.1:9', 0.5));
    const { child, output } = launch(file, { PORT: String(port) });
    await once(child, 'exit');
    expect([child.exitCode, output()]).toEqual([1, expect.stringMatching(/EADDRINUSE.*\n.*server\.port/)]);
    taken.close();
  });

  it('reloads on change and SIGHUP without dropping a stream, rejects bad configs, and exits cleanly', async () => {
    let finish: () => void = () => {};
    const upstream = await startRawUpstream((response, body) => {
      if (!JSON.parse(body).stream) {
        response.end(JSON.stringify(COMPLETION));
        return;
      }
      response.write(sse(chunk({ content: 'first ' })));
      finish = () => response.end(sse(chunk({ content: 'second' }), chunk({}, 'stop'), '[DONE]'));
    });
    const file = join(folder, 'mixllm.yaml');
    writeFileSync(file, config(upstream.url, 0.2));
    const gateway = await serve(file);
    const weight = async () => {
      const response = await fetch(`${gateway.url}/v1/route`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'auto', messages: [{ role: 'user', content: 'x' }] }),
      });
      return ((await response.json()) as { weight: number }).weight;
    };
    expect(await weight()).toBe(0.2);
    const streaming = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'auto', stream: true, messages: [{ role: 'user', content: 'x' }] }),
    });

    writeFileSync(file, config(upstream.url, 0.6));
    await gateway.saw(/"changed":\["routing\.weight"\].*The config was reloaded\./);
    expect(await weight()).toBe(0.6);
    const isReloaded = async () => {
      const { text } = await get(`${gateway.url}/metrics`);
      return /^mixllm_config_last_reload_successful (\d)$/m.exec(text)?.[1];
    };
    expect(await isReloaded()).toBe('1');
    writeFileSync(file, config(upstream.url, 7));
    await gateway.saw(/old one stays in force.*routing\.weight \(line 4\): found 7/);
    expect(await isReloaded()).toBe('0');
    writeFileSync(file, `${config(upstream.url, 0.6)}\nlogging: { level: &itself [*itself] }`);
    await gateway.saw(/old one stays in force.*contains itself/);
    expect(await weight()).toBe(0.6);
    writeFileSync(file, `${config(upstream.url, 0.65)}\nembedding: { map: none.bin }`);
    await gateway.saw(/the next start with it would fail\..*none\.bin/);
    expect([await weight(), await isReloaded()]).toEqual([0.65, '0']);
    writeFileSync(file, config(upstream.url, 0.7));
    gateway.child.kill('SIGHUP');
    while ((await weight()) !== 0.7) await new Promise((resolve) => setImmediate(resolve));
    expect(await isReloaded()).toBe('1');
    rmSync(file);
    execFileSync('mkfifo', [file]);
    gateway.child.kill('SIGHUP');
    await gateway.saw(/old one stays in force.*it is a pipe/);

    gateway.child.kill('SIGTERM');
    await gateway.saw(/shutting down/);
    // The probe must change while the gateway still serves, or a load balancer would send requests to a closed port.
    const probe = await get(`${gateway.url}/health/ready`);
    expect([probe.status, probe.json.status, await weight()]).toEqual([503, 'unavailable', 0.7]);
    await refused(gateway.url);
    expect(gateway.child.exitCode).toBeNull();
    finish();
    expect(await streaming.text()).toBe(
      sse(chunk({ content: 'first ' }), chunk({ content: 'second' }), chunk({}, 'stop'), '[DONE]'),
    );
    if (gateway.child.exitCode === null) await once(gateway.child, 'exit');
    expect(gateway.child.exitCode).toBe(0);
    await upstream.close();
  });

  it('exits on a SIGTERM that arrives before it has read its config, even as process 1 of a container', async () => {
    // SIGHUP is the first signal it listens for, and again right before its own handlers replace the early ones.
    const killer = (time: number, send: string) =>
      `let n = 0; process.on('newListener', (name) => name === 'SIGHUP' && ++n === ${time} && ${send}(() => process.kill(process.pid, 'SIGTERM')))`;
    const file = join(folder, 'mixllm.yaml');
    writeFileSync(file, config('http://127.0.0.1:9', 0.2));
    for (const early of [killer(1, 'queueMicrotask'), killer(2, '(now => now())')]) {
      const { child, output } = launch(file, { NODE_OPTIONS: `--import "data:text/javascript,${encodeURI(early)}"` });
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      expect([child.exitCode, child.signalCode]).toEqual([0, null]);
      expect(output()).not.toContain('listens on');
    }
  });

  it('accepts a HOST with the brackets of a URL or the newline of a secret file', async () => {
    const file = join(folder, 'mixllm.yaml');
    writeFileSync(file, config('http://127.0.0.1:9', 0.2));
    const gateway = launch(file, { HOST: '[127.0.0.1]\n' });
    await gateway.saw(/listens on http:\/\/127\.0\.0\.1:\d+/);
    gateway.child.kill('SIGTERM');
    if (gateway.child.exitCode === null) await once(gateway.child, 'exit');
  });

  it('does not start on the log of a newer version, which holds budgets and retired models', async () => {
    const lock = new DatabaseSync(join(folder, 'log.db'));
    lock.exec('PRAGMA user_version = 99');
    lock.close();
    const file = join(folder, 'mixllm.yaml');
    writeFileSync(file, config('http://127.0.0.1:9', 0.2));
    const gateway = launch(file);
    await gateway.saw(/schema 99.*Start that version again, or name another file in storage\.url/);
    if (gateway.child.exitCode === null) await once(gateway.child, 'exit');
    expect(gateway.child.exitCode).toBe(1);
  });

  it('reloads and exits even while it is still reading its event log', async () => {
    const lock = new DatabaseSync(join(folder, 'log.db'));
    lock.exec('BEGIN EXCLUSIVE');
    const file = join(folder, 'mixllm.yaml');
    const withOneOff = `providers: { off: { type: openai, api_key: "\${ABSENT}" }, `;
    writeFileSync(file, config('http://127.0.0.1:9', 0.2).replace('providers: { ', withOneOff));
    const [leaving, gateway] = [launch(file), launch(file)];
    await Promise.all([leaving.saw(/ABSENT/), gateway.saw(/ABSENT/)]);
    gateway.child.kill('SIGHUP');
    leaving.child.kill('SIGTERM');
    await gateway.saw(/The config was reloaded; its file has not changed\./);
    await leaving.saw(/SIGTERM: stopped/);
    lock.close();
    if (leaving.child.exitCode === null) await once(leaving.child, 'exit');
    expect(leaving.child.exitCode).toBe(0);
    await gateway.saw(/listens on/);
    expect(gateway.output()).not.toContain('cannot be read');
  });

  it('serves even if its event log is unreadable, and reports it', async () => {
    const upstream = await startRawUpstream((response) => response.end(JSON.stringify(COMPLETION)));
    writeFileSync(join(folder, 'log.db'), 'this is no database, and long enough to be taken for one'.repeat(100));
    const file = join(folder, 'mixllm.yaml');
    writeFileSync(file, config(upstream.url, 0.5));
    const gateway = await serve(file);
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'auto', messages: [{ role: 'user', content: 'x' }] }),
    });
    expect(response.status).toBe(200);
    const id = ((await response.json()) as { id: string }).id;
    await gateway.saw(/The event store failed/);
    const rating = await fetch(`${gateway.url}/feedback`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ id, score: 1 }),
    });
    expect(rating.status).toBe(503);
    expect((await get(`${gateway.url}/metrics`)).text).toContain('mixllm_degraded{part="store"} 1');
    await upstream.close();
  });
});

describe('mixllm check', () => {
  it('applies HOST and PORT like serve', () => {
    for (const environment of [{ HOST: '0.0.0.0' }, { PORT: 'http' }] as Record<string, string>[]) {
      expect(mixllm(['check'], { OPENAI_API_KEY: 'x', ...environment }).status).toBe(1);
    }
    expect(mixllm(['check'], { OPENAI_API_KEY: 'x', PORT: '8081' }).status).toBe(0);
  });

  it('points at prices per token, which are a millionth of what they should be', () => {
    const file = join(folder, 'prices.yaml');
    writeFileSync(file, config('http://127.0.0.1:9/v1', 0.5).replace('input: 1,', 'input: 0.0000025,'));
    const { status, stdout } = mixllm(['check', file]);
    expect([status, stdout]).toEqual([0, expect.stringContaining('note: big: $0.0000025 looks like the price of one')]);
  });

  it('explains what a config means, and what is wrong with a bad one', () => {
    const good = mixllm(['check'], { OPENAI_API_KEY: 'sk-secret' });
    expect([good.status, good.stderr]).toEqual([0, '']);
    expect(good.stdout).toContain('gpt-5-mini');
    expect(good.stdout).toContain('ANTHROPIC_API_KEY');
    expect(good.stdout).not.toContain('sk-secret');
    const file = join(folder, 'bad.yaml');
    writeFileSync(file, 'providers: {}\nmodels:\n  - { id: a, provider: b, price: { input: free, output: 1 } }\n');
    const bad = mixllm(['check', file]);
    expect(bad.status).toBe(1);
    expect(bad.stderr).toContain('models[0].price.input (line 3): found "free"; expected a number');
  });
});
