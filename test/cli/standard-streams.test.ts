import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { sayFailure, watchStandardStreams } from '../../src/cli/standard-streams.ts';

it('tells once that standard output is lost, and lets readers leave', () => {
  const [output, errors] = [new PassThrough(), new PassThrough()];
  const told: string[] = [];
  watchStandardStreams(output, errors, (reason) => told.push(reason));
  const left = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
  for (const stream of [output, errors]) stream.emit('error', left);
  expect(told).toEqual([]);
  for (let i = 0; i < 2; i++) output.emit('error', Object.assign(new Error('no space left'), { code: 'ENOSPC' }));
  expect(told).toEqual(['Standard output cannot be written, so the result is not whole: no space left']);
});

it('says a failure in the place of a progress line', () => {
  const written: string[] = [];
  const write = (text: string) => written.push(text);
  sayFailure({ isTTY: true, write }, 'line 3 is no JSON');
  sayFailure({ write }, 'line 3 is no JSON');
  expect(written).toEqual(['\r\u001b[Kline 3 is no JSON\n', 'line 3 is no JSON\n']);
});

it.skipIf(!existsSync('/dev/full'))('a command whose output finds no space ends with 1', () => {
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
