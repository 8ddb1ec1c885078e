import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { expect, it, vi } from 'vitest';
import { print, tell } from '../../src/cli/print.ts';
import { sayFailure, watchStandardStreams } from '../../src/cli/standard-streams.ts';

it('reports once that standard output is lost, but lets readers leave', () => {
  const [output, errors] = [new PassThrough(), new PassThrough()];
  const told: string[] = [];
  watchStandardStreams(output, errors, (reason) => told.push(reason));
  const left = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
  for (const stream of [output, errors]) stream.emit('error', left);
  expect(told).toEqual([]);
  for (let i = 0; i < 2; i++) output.emit('error', Object.assign(new Error('no space left'), { code: 'ENOSPC' }));
  expect(told).toEqual(['Standard output cannot be written, so the result is incomplete: no space left']);
});

it('prints a failure in place of a progress line', () => {
  const written: string[] = [];
  const write = (text: string) => written.push(text);
  sayFailure({ isTTY: true, write }, 'line 3 is no JSON');
  sayFailure({ write }, 'line 3 is no JSON');
  expect(written).toEqual(['\r\u001b[Kline 3 is no JSON\n', 'line 3 is no JSON\n']);
});

it('escapes terminal control sequences, and prints JSON with the same meaning', () => {
  const printed: string[] = [];
  vi.spyOn(console, 'log').mockImplementation((line) => printed.push(line));
  vi.spyOn(console, 'error').mockImplementation((line) => printed.push(line));
  const name = 'a\u001b[31m\u009b2J\u007f\u0007é漢';
  print(`model ${name}\n\tof two`);
  tell(name);
  print(JSON.stringify({ name }));
  sayFailure({ write: (text: string) => printed.push(text) }, `${name}: no such model\n  at all`);
  vi.restoreAllMocks();
  const shown = 'a\\u001b[31m\\u009b2J\\u007f\\u0007é漢';
  expect(printed[0]).toBe(`model ${shown}\n\tof two`);
  expect(printed[1]).toBe(shown);
  expect(printed[2]).toMatch(/^[ -~é漢]*$/);
  expect(JSON.parse(printed[2])).toEqual({ name });
  expect(printed[3]).toBe(`${shown}: no such model\n  at all\n`);
});

it.skipIf(!existsSync('/dev/full'))('a command exits with 1 if its output has no space left', () => {
  const { status, stderr } = spawnSync(
    'sh',
    ['-c', '"$0" src/main.ts check config/mixllm.yaml >/dev/full', process.execPath],
    {
      encoding: 'utf8',
    },
  );
  expect(stderr).toContain('no space left');
  expect(status).toBe(1);
});
