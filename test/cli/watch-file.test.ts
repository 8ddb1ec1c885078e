import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { digestOrNull, watchFile } from '../../src/cli/watch-file.ts';
import { until } from '../support/until.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A config file in a folder of its own. */
function configFile(content: string) {
  const folder = mkdtempSync(join(tmpdir(), 'mixllm-watch-'));
  folders.push(folder);
  const file = join(folder, 'mixllm.yaml');
  writeFileSync(file, content);
  return { folder, file };
}

const nothingElse = {
  change: () => expect.unreachable('it has not changed'),
  gone: () => expect.unreachable('it is there'),
  error: () => expect.unreachable('it can be watched'),
};

it('reports once that the file has been gone for some time, and a change when it is back', async () => {
  const { file } = configFile('the same');
  const told: string[] = [];
  const on = { ...nothingElse, change: () => void told.push('change'), gone: () => void told.push('gone') };
  const { stop } = watchFile(file, on, { pollMs: 50, goneMs: 400 });
  try {
    rmSync(file);
    await sleep(250);
    writeFileSync(file, 'the same');
    await sleep(400);
    expect(told).toEqual([]);
    rmSync(file);
    await until(() => told.length === 1);
    await sleep(500);
    writeFileSync(file, 'the same');
    await until(() => told.length === 2);
    expect(told).toEqual(['gone', 'change']);
  } finally {
    stop();
  }
});

it('reports no absence if the file was back in between, and any change that another reader missed', async () => {
  const { file } = configFile('whole');
  let changes = 0;
  const { stop, seen } = watchFile(
    file,
    { ...nothingElse, change: () => void changes++ },
    { pollMs: 50, goneMs: 1500 },
  );
  try {
    rmSync(file);
    await sleep(600);
    writeFileSync(file, 'whole');
    await sleep(600);
    rmSync(file);
    await sleep(600);
    writeFileSync(file, 'whole');
    await sleep(600);
    expect(changes).toBe(0);
    // As after a signal that came while the file was half written, or missing.
    seen(null);
    await until(() => changes === 1);
    seen(digestOrNull(file));
    await sleep(400);
    expect(changes).toBe(1);
  } finally {
    stop();
  }
});

it('reports a change once while another file in the folder is written continuously', async () => {
  const { folder, file } = configFile('before');
  let changes = 0;
  const { stop } = watchFile(file, { ...nothingElse, change: () => void changes++ });
  const writing = setInterval(() => appendFileSync(join(folder, 'mixllm.db-wal'), 'commit'), 20);
  try {
    writeFileSync(file, 'after');
    await until(() => changes > 0);
    await sleep(300);
    expect(changes).toBe(1);
  } finally {
    stop();
    clearInterval(writing);
  }
});

it('reports changes even after the folder was replaced', async () => {
  const root = mkdtempSync(join(tmpdir(), 'mixllm-watch-'));
  const folder = join(root, 'config');
  const file = join(folder, 'mixllm.yaml');
  mkdirSync(folder);
  writeFileSync(file, 'before');
  let changes = 0;
  const { stop } = watchFile(file, { ...nothingElse, change: () => void changes++ }, { pollMs: 50 });
  try {
    renameSync(folder, join(root, 'old'));
    mkdirSync(folder);
    for (const [seen, text] of ['of the new folder', 'later'].entries()) {
      writeFileSync(file, text);
      await until(() => changes > seen);
    }
  } finally {
    stop();
    rmSync(root, { recursive: true });
  }
});

it('does not open a named pipe, which would wait for a writer', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mixllm-watch-'));
  const pipe = join(folder, 'mixllm.yaml');
  execFileSync('mkfifo', [pipe]);
  // Keeps writing; otherwise this test would wait as well.
  const writer = spawn('sh', ['-c', 'while echo text > "$0"; do echo taken; done', pipe]);
  let taken = '';
  writer.stdout.on('data', (text) => {
    taken += text;
  });
  const { stop } = watchFile(pipe, nothingElse);
  await sleep(200);
  stop();
  writer.kill('SIGKILL');
  await once(writer, 'close');
  rmSync(folder, { recursive: true });
  expect(taken).toBe('');
});
