import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CLEAN_ENVIRONMENT } from '../support/clean-environment.ts';
import { get } from '../support/gateway.ts';
import { until } from '../support/until.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const CLIENT_KEY = 'mx-client-key-of-the-file-0001';
const PROVIDER_KEY = 'sk-provider-key-of-the-file-0002';
const CONFIG = `server: { port: 0 }
auth: { keys: [{ name: a-team-with-a-long-name, key: ${CLIENT_KEY} }] }
providers:
  here: { type: openai, api_key: ${PROVIDER_KEY}, base_url: "http://127.0.0.1:9/v1" }
  off: { type: openai, api_key: "\${A_VARIABLE_THAT_NOBODY_SETS}" }
models:
  - { id: a-model-with-a-long-name, provider: here, price: { input: 1, output: 2 } }
storage: { url: "sqlite::memory:" }
`;

let folder: string;
let child: ChildProcess;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mixllm-memory-'));
});
afterEach(async () => {
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  rmSync(folder, { recursive: true });
});

it('client keys are not in process memory, although they are in the config file', async () => {
  const file = join(folder, 'mixllm.yaml');
  writeFileSync(file, CONFIG);
  child = spawn(process.execPath, ['--heapsnapshot-signal=SIGUSR2', MAIN, 'serve', '--config', file], {
    cwd: folder,
    env: CLEAN_ENVIRONMENT,
  });
  let output = '';
  child.stdout?.on('data', (data) => {
    output += data;
  });
  await until(() => output.includes('listens on'));
  // Also after a reload of the file.
  writeFileSync(file, CONFIG.replace('output: 2', 'output: 3'));
  await until(() => output.includes('was reloaded'));
  child.kill('SIGUSR2');
  const snapshot = () => readdirSync(folder).find((name) => name.endsWith('.heapsnapshot'));
  await until(() => snapshot() !== undefined);
  // The process does nothing else until the snapshot is written.
  const url = /listens on (http:\/\/[^/]+)\/v1/.exec(output)?.[1];
  await get(`${url}/health/live`);
  const strings = readFileSync(join(folder, snapshot() as string), 'latin1');
  expect(strings.includes(PROVIDER_KEY)).toBe(true);
  expect(strings.includes(CLIENT_KEY)).toBe(false);
});
