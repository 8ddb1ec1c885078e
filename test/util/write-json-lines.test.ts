import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';
import { writeJsonLines } from '../../src/util/write-json-lines.ts';

const folder = mkdtempSync(join(tmpdir(), 'mixllm-lines-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('leaves no file behind when interrupted, and re-raises the signal', async () => {
  const listening = process.listenerCount('SIGINT');
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
  async function* values() {
    yield 1;
    await vi.waitUntil(() => readdirSync(folder).length === 1, { interval: 1 });
    process.listeners('SIGINT').at(-1)?.('SIGINT');
    expect(readdirSync(folder)).toEqual([]);
    yield 2;
  }
  // The process would be gone by now; in this test the file to be renamed is missing.
  await expect(writeJsonLines(join(folder, 'rows.jsonl'), values())).rejects.toThrow('ENOENT');
  expect(kill).toHaveBeenCalledWith(process.pid, 'SIGINT');
  kill.mockRestore();
  expect(readdirSync(folder)).toEqual([]);
  expect(process.listenerCount('SIGINT')).toBe(listening);
});
