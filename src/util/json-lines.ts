import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { messageOf } from './message-of.ts';

const LINE_FEED = 0x0a;

export interface JsonLine {
  value: unknown;
  /** `FILE, line NUMBER`, for error messages. */
  where: string;
}

/**
 * Reads a file of JSON lines in UTF-8, gzipped when its name ends in `.gz`. Blank lines and byte order marks are
 * skipped.
 * @throws Error that names the file, and the line when one is not JSON or not UTF-8
 */
export async function* readJsonLines(file: string): AsyncGenerator<JsonLine> {
  // Without `fatal`, the decoder would replace unreadable bytes by U+FFFD, in names and prompts alike.
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  let number = 0;
  for await (const bytes of readLines(file)) {
    const where = `${file}, line ${++number}`;
    if (number === 1) refuseOtherFormats(file, bytes);
    const line = decode(utf8, bytes, where);
    if (line.trim() === '') continue;
    try {
      yield { value: JSON.parse(line), where };
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new Error(`${where} is not JSON: ${error.message}`);
    }
  }
}

function refuseOtherFormats(file: string, start: Buffer): void {
  const [first, second] = start;
  if (first === 0x1f && second === 0x8b) throw new Error(`${file} is gzipped: its name must end in .gz.`);
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw new Error(`${file} is UTF-16: it must be UTF-8.`);
  }
}

function decode(utf8: TextDecoder, bytes: Buffer, where: string): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Error(`${where} is not UTF-8.`);
  }
}

/** Lines end at line feeds only: JSON may contain U+2028 unescaped, where node:readline would split the line. */
async function* readLines(file: string): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  const source = openFile(file);
  const chunks: AsyncIterator<Buffer> = source[Symbol.asyncIterator]();
  try {
    while (true) {
      const next = await chunks.next().catch((error) => {
        throw new Error(`Cannot read ${file}: ${messageOf(error)}`);
      });
      if (next.done) break;
      const chunk = next.value;
      let start = 0;
      for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
        yield Buffer.concat([...rest, chunk.subarray(start, end)]);
        rest = [];
        start = end + 1;
      }
      rest.push(chunk.subarray(start));
    }
    yield Buffer.concat(rest);
  } finally {
    // Otherwise a consumer that stops early would leave the file open.
    source.destroy();
  }
}

/** The bytes of a file, unzipped when its name ends in `.gz`. */
export function openFile(file: string): Readable {
  const bytes = createReadStream(file);
  if (!file.endsWith('.gz')) return bytes;
  const unzipped = createGunzip();
  // `pipe` does not pass errors on; without this, a missing file would end the reader silently.
  bytes.once('error', (error) => unzipped.destroy(error));
  unzipped.once('close', () => bytes.destroy());
  return bytes.pipe(unzipped);
}
