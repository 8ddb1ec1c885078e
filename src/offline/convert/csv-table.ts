import { pipeline } from 'node:stream';
import type { Parser } from 'csv-parse';
import { openFile } from '../../util/json-lines.ts';
import { messageOf } from '../../util/message-of.ts';
import type { WideTable } from './wide-table.ts';

/**
 * Opens a file of comma-separated values with a header, gzipped when its name ends in `.gz`. Every cell is text.
 * @throws Error that says what to install when the optional parser is absent; errors while reading name the file
 */
export async function openCsv(file: string): Promise<WideTable> {
  let columns: readonly string[] = [];
  for await (const record of readRecords(file)) {
    columns = record;
    break;
  }
  return {
    columns,
    rowCount: null,
    async *rows(wanted) {
      const places = wanted.map((column) => columns.indexOf(column));
      let header = true;
      for await (const record of readRecords(file)) {
        if (!header) yield places.map((place) => record[place]);
        header = false;
      }
    },
  };
}

async function* readRecords(file: string): AsyncGenerator<string[]> {
  const parser = await csvParser();
  // `pipeline` forwards the file's errors to the parser, so they surface where the records are read.
  pipeline(openFile(file), utf8, parser, () => {});
  const records: AsyncIterator<string[]> = parser[Symbol.asyncIterator]();
  try {
    while (true) {
      const next = await records.next().catch((error) => {
        throw new Error(`Cannot read ${file}: ${messageOf(error)}`);
      });
      if (next.done) return;
      yield next.value;
    }
  } finally {
    parser.destroy();
  }
}

/**
 * Rejects invalid UTF-8, which the parser alone would replace by U+FFFD, in names and prompts alike. UTF-16 with a byte
 * order mark is passed through, because the parser can read it.
 */
async function* utf8(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let isUtf16: boolean | null = null;
  for await (const chunk of chunks) {
    isUtf16 ??= chunk[0] === 0xff && chunk[1] === 0xfe;
    if (!isUtf16) checkUtf8(decoder, chunk, true);
    yield chunk;
  }
  if (!isUtf16) checkUtf8(decoder, new Uint8Array(), false);
}

function checkUtf8(decoder: TextDecoder, bytes: Uint8Array, stream: boolean): void {
  try {
    decoder.decode(bytes, { stream });
  } catch {
    throw new Error('it is not UTF-8');
  }
}

async function csvParser(): Promise<Parser> {
  try {
    const { parse } = await import('csv-parse');
    return parse({ bom: true });
  } catch {
    throw new Error('Reading CSV needs an optional package: npm install csv-parse');
  }
}
