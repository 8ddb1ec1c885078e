import { spawn, spawnSync } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const MODULE = fileURLToPath(new URL('../../src/cli/log-output.ts', import.meta.url));

/** Arguments of Node for a script that has a `log` on standard output. */
function logging(script: string): string[] {
  const start = `import pino from 'pino'; import { logOutput } from ${JSON.stringify(MODULE)};
const log = pino(logOutput((lost) => log.warn({ lost })));`;
  return ['--input-type=module', '-e', `${start}\n${script}`];
}

it.skipIf(!existsSync('/dev/full'))('a full disk under the log neither ends the process nor holds up its end', () => {
  const script = "log.info('a'); setTimeout(() => { log.info('b'); setTimeout(() => process.exit(7), 100); }, 100);";
  const stdio = ['ignore', openSync('/dev/full', 'w'), 'pipe'] as const;
  const { status, stderr } = spawnSync(process.execPath, logging(script), {
    stdio: [...stdio],
    encoding: 'utf8',
    timeout: 10_000,
    killSignal: 'SIGKILL',
  });
  expect([status, stderr]).toEqual([7, '']);
});

it('a reader that stands still holds nothing up; what found no room is told when it reads on', async () => {
  const script = `for (let i = 0; i < 100; i++) log.info('x'.repeat(100_000));
console.error('went on'); setTimeout(() => {}, 300);`;
  const child = spawn(process.execPath, logging(script), { stdio: ['ignore', 'pipe', 'pipe'] });
  // Nothing is read of the log yet.
  await new Promise((resolve) => child.stderr.once('data', resolve));
  const lines = (await text(child.stdout)).trim().split('\n');
  const { lost } = JSON.parse(lines.find((line) => line.includes('"lost"')) ?? '{}');
  expect(lost).toBeGreaterThan(0);
  expect(lines).toHaveLength(100 - lost + 1);
});

it('writes again once a disk that was full for long has room, and tells how many lines were lost', async () => {
  const script = `import fs from 'node:fs';
const { write } = fs;
fs.write = (...given) => setImmediate(given.at(-1), Object.assign(new Error('full'), { code: 'ENOSPC' }));
for (let i = 0; i < 100; i++) log.info('x'.repeat(100_000));
// Up to where not even a short one fits.
for (let i = 0; i < 2000; i++) log.info('x');
setTimeout(() => { fs.write = write; log.info('x'); setTimeout(() => log.info('x'), 200); }, 50);`;
  const child = spawn(process.execPath, logging(script), { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = (await text(child.stdout)).trim().split('\n');
  const { lost } = JSON.parse(lines.find((line) => line.includes('"lost"')) ?? '{}');
  expect(lost).toBeGreaterThan(16);
  expect(lines).toHaveLength(100 + 2000 + 2 - lost + 1);
});
