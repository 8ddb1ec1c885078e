import { open } from 'node:fs/promises';
import { messageOf } from '../../util/message-of.ts';
import { shellWord } from '../../util/shell-word.ts';
import { openCsv } from './csv-table.ts';
import { openParquet } from './parquet-table.ts';
import type { WideTable } from './wide-table.ts';

/**
 * Opens a table according to the contents of the file, mostly regardless of its name.
 * @throws Error that says what to do with a file that is not a readable table
 */
export async function openTable(file: string): Promise<WideTable> {
  const start = await firstBytes(file);
  if (start.toString('latin1') === 'PAR1') return openParquet(file);
  if (isPickle(file, start)) throw new Error(explainPickle(file));
  if (start.toString('latin1').startsWith('PK\x03\x04')) throw new Error(`${file} is a ZIP archive: unpack it first.`);
  if (start[0] === 0x1f && start[1] === 0x8b && !file.endsWith('.gz')) {
    throw new Error(`${file} is gzipped: its name must end in .gz.`);
  }
  return openCsv(file);
}

async function firstBytes(file: string): Promise<Buffer> {
  try {
    const handle = await open(file);
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new Error(`Cannot read ${file}: ${messageOf(error)}`);
  }
}

/** Since protocol 2 a pickle starts with 0x80 and its protocol number. */
function isPickle(file: string, start: Buffer): boolean {
  return /\.(pkl|pickle)(\.\w+)?$/i.test(file) || (start[0] === 0x80 && start[1] >= 2 && start[1] <= 5);
}

/**
 * The suggested command leaves out the answers, because nothing here reads them and they make up most of the file's
 * size.
 */
function explainPickle(file: string): string {
  const target = `${file.replace(/\.(pkl|pickle)(\.\w+)?$/i, '')}.parquet`;
  const python = [
    'import sys, pandas',
    'table = pandas.read_pickle(sys.argv[1])',
    "table[[c for c in table if not c.endswith('|model_response')]].to_parquet(sys.argv[2])",
  ].join('; ');
  return [
    `${file} is a Python pickle: reading one runs whatever code is in it, so mixllm does not.`,
    'If you trust where it came from, turn it into Parquet first (this needs pip install pandas pyarrow):',
    `  python3 -c "${python}" ${shellWord(file)} ${shellWord(target)}`,
    `and convert that: mixllm convert routerbench ${shellWord(target)}`,
  ].join('\n');
}
