import { createWriteStream, existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { abandon, finish, placeOf } from './write-whole.ts';

/** @throws Error when there is such a file, unless it may be overwritten */
export function refuseToOverwrite(file: string, force: boolean): void {
  if (!force && existsSync(file)) throw new Error(`${file} is there already: add --force to overwrite it.`);
}

const STOPS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Writes a file of JSON lines, gzipped when its name ends in `.gz`. It stands there once it is whole: until then, and
 * where writing fails or is stopped, what stood there before is untouched, and nothing else is left.
 */
export async function writeJsonLines(file: string, values: AsyncIterable<unknown>): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const place = placeOf(file);
  const bytes = createWriteStream(place.unfinished);
  // Heard once, so that the same signal, sent again, ends the process as if nobody had heard it.
  const stop = (signal: NodeJS.Signals) => {
    abandon(place);
    process.kill(process.pid, signal);
  };
  for (const signal of STOPS) process.once(signal, stop);
  try {
    if (file.endsWith('.gz')) await pipeline(lines(values), createGzip(), bytes);
    else await pipeline(lines(values), bytes);
    await finish(place);
  } catch (error) {
    abandon(place);
    throw error;
  } finally {
    for (const signal of STOPS) process.off(signal, stop);
  }
}

/** Writes JSON lines to a stream that stays open, e.g. standard output. A reader that has had enough is no error. */
export async function streamJsonLines(output: Writable, values: AsyncIterable<unknown>): Promise<void> {
  try {
    await pipeline(lines(values), output, { end: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  }
}

function lines(values: AsyncIterable<unknown>): Readable {
  return Readable.from(
    (async function* () {
      for await (const value of values) yield `${JSON.stringify(value)}\n`;
    })(),
  );
}
