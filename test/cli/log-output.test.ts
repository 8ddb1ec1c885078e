import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const MODULE = fileURLToPath(new URL('../../src/cli/log-output.ts', import.meta.url));

/** Arguments of Node for a script with a `log` on standard output. */
function logging(script: string): string[] {
  const start = `import pino from 'pino'; import { LogOutput } from ${JSON.stringify(MODULE)};
const log = pino({}, new LogOutput((lost) => log.warn({ lost })));`;
  return ['--input-type=module', '-e', `${start}\n${script}`];
}

it.skipIf(!existsSync('/dev/full'))('a full disk under the log neither ends the process nor delays its exit', () => {
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

it.concurrent('a stalled log reader delays nothing, and is told about lost lines once it reads on', async () => {
  const script = `for (let i = 0; i < 100; i++) log.info('x'.repeat(100_000));
console.error('went on'); setTimeout(() => {}, 300);`;
  const child = spawn(process.execPath, logging(script), { stdio: ['ignore', 'pipe', 'pipe'] });
  // Nothing of the log has been read yet.
  await new Promise((resolve) => child.stderr.once('data', resolve));
  const lines = (await text(child.stdout)).trim().split('\n');
  const { lost } = JSON.parse(lines.find((line) => line.includes('"lost"')) ?? '{}');
  expect(lost).toBeGreaterThan(0);
  expect(lines).toHaveLength(100 - lost + 1);
});

it.concurrent('writes again once a full disk has room, and reports how many lines were lost', async () => {
  const script = `import fs from 'node:fs'; import { syncBuiltinESMExports } from 'node:module';
const { writeSync } = fs;
fs.writeSync = () => { throw Object.assign(new Error('full'), { code: 'ENOSPC' }); };
syncBuiltinESMExports();
for (let i = 0; i < 100; i++) log.info('x'.repeat(100_000));
// Up to where not even a short one fits.
for (let i = 0; i < 2000; i++) log.info('x');
setTimeout(() => { fs.writeSync = writeSync; syncBuiltinESMExports(); log.info('x'); setTimeout(() => log.info('x'), 200); }, 50);`;
  const child = spawn(process.execPath, logging(script), { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = (await text(child.stdout)).trim().split('\n');
  const { lost } = JSON.parse(lines.find((line) => line.includes('"lost"')) ?? '{}');
  expect(lost).toBeGreaterThan(16);
  expect(lines).toHaveLength(100 + 2000 + 2 - lost + 1);
});

it.concurrent.each(['reads nothing', 'has gone meanwhile'])(
  'a log reader that %s does not delay the exit',
  async (how) => {
    const script = `for (let i = 0; i < 20; i++) log.info('x'.repeat(100_000));
process.on('SIGTERM', () => process.exit(7));
setTimeout(() => console.error('went on'), 300); setInterval(() => log.info('more'), 50);`;
    const child = spawn(process.execPath, logging(script), { stdio: ['ignore', 'pipe', 'pipe'] });
    await new Promise((resolve) => child.stderr.once('data', resolve));
    if (how === 'has gone meanwhile') child.stdout.destroy();
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 5000);
    expect(await ended).toEqual([7, null]);
    clearTimeout(late);
  },
);

it.concurrent('writes what was logged just before the exit', async () => {
  const script = "log.info('a'); log.info('b'); setTimeout(() => { log.info('c'); process.exit(7); }, 50);";
  const child = spawn(process.execPath, logging(script), { stdio: ['ignore', 'pipe', 'inherit'] });
  expect((await text(child.stdout)).match(/"msg":"."/g)).toEqual(['"msg":"a"', '"msg":"b"', '"msg":"c"']);
});
