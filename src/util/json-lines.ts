import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { createGunzip } from 'node:zlib';

export interface JsonLine {
  value: unknown;
  /** `FILE, line NUMBER`, for error messages. */
  where: string;
}

/**
 * Reads a file of JSON lines, gzipped when its name ends in `.gz`; blank lines are passed over.
 * @throws Error that names the file, and the line where one is not JSON
 */
export async function* readJsonLines(file: string): AsyncGenerator<JsonLine> {
  let number = 0;
  for await (const line of readLines(file)) {
    number++;
    if (line.trim() === '') continue;
    const where = `${file}, line ${number}`;
    try {
      yield { value: JSON.parse(line), where };
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new Error(`${where} is not JSON: ${error.message}`);
    }
  }
}

/** Lines end at line feeds only: JSON may hold U+2028 unescaped, which node:readline would cut at. */
async function* readLines(file: string): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  const chunks = openFile(file)[Symbol.asyncIterator]();
  while (true) {
    const chunk = await chunks.next().catch((error) => {
      throw new Error(`Cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
    });
    if (chunk.done) break;
    const lines = (rest + decoder.write(chunk.value)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  yield rest + decoder.end();
}

/** The bytes of a file, unzipped when its name ends in `.gz`. */
export function openFile(file: string): Readable {
  const bytes = createReadStream(file);
  if (!file.endsWith('.gz')) return bytes;
  const unzipped = createGunzip();
  // `pipe` does not hand errors on; without this a missing file would end the reader silently.
  bytes.once('error', (error) => unzipped.destroy(error));
  unzipped.once('close', () => bytes.destroy());
  return bytes.pipe(unzipped);
}
