import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, it, vi } from 'vitest';
import { readJsonLines } from '../../src/util/json-lines.ts';

const folder = mkdtempSync(join(tmpdir(), 'mixllm-lines-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** How many times this process has the file open, according to Linux. */
function openings(file: string): number {
  const targets = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return null;
    }
  });
  return targets.filter((target) => target === file).length;
}

it.runIf(process.platform === 'linux').each(['rows.jsonl', 'rows.jsonl.gz'])(
  'closes the file when its reader stops early: %s',
  async (name) => {
    const file = join(folder, name);
    // Random lines: a small file would be read to its end, and closed, before its first line is returned.
    const text = Array.from({ length: 20_000 }, () => `{"a":"${randomBytes(48).toString('hex')}"}`).join('\n');
    writeFileSync(file, name.endsWith('.gz') ? gzipSync(text) : text);
    for await (const { value } of readJsonLines(file)) {
      expect(value).toEqual({ a: expect.stringMatching(/^[0-9a-f]{96}$/) });
      expect(openings(file)).toBe(1);
      break;
    }
    await vi.waitUntil(() => openings(file) === 0, { interval: 1 });
  },
);
