import { createWriteStream } from 'node:fs';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { writingWhole } from './write-whole.ts';

/**
 * Writes a file of JSON lines, gzipped when its name ends in `.gz`. The file appears only once it is complete. Until
 * then, and when writing fails or is stopped, an existing file stays untouched and no other file is left behind.
 * @param mode permissions, as for the system call; the process's umask still applies
 */
export async function writeJsonLines(file: string, values: AsyncIterable<unknown>, mode = 0o666): Promise<void> {
  await writingWhole(file, async (unfinished) => {
    const bytes = createWriteStream(unfinished, { mode });
    if (file.endsWith('.gz')) await pipeline(lines(values), createGzip(), bytes);
    else await pipeline(lines(values), bytes);
  });
}

/** Writes JSON lines to a stream that stays open, e.g. standard output. A reader that stops early is not an error. */
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
