import { createWriteStream } from 'node:fs';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { writingWhole } from './write-whole.ts';

/**
 * Writes a file of JSON lines, gzipped when its name ends in `.gz`. It stands there once it is whole: until then, and
 * where writing fails or is stopped, what stood there before is untouched, and nothing else is left.
 * @param mode who may read it, as of the system call; what the process takes away (umask) still goes
 */
export async function writeJsonLines(file: string, values: AsyncIterable<unknown>, mode = 0o666): Promise<void> {
  await writingWhole(file, async (unfinished) => {
    const bytes = createWriteStream(unfinished, { mode });
    if (file.endsWith('.gz')) await pipeline(lines(values), createGzip(), bytes);
    else await pipeline(lines(values), bytes);
  });
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
