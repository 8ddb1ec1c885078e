import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { Compressors } from 'hyparquet';
import { messageOf } from '../../util/message-of.ts';
import type { WideTable } from './wide-table.ts';

/** Codecs that Node can decompress; the library itself handles Snappy, which most files use. */
const COMPRESSORS: Compressors = {
  GZIP: (input) => gunzipSync(input),
  BROTLI: (input) => brotliDecompressSync(input),
  ZSTD: (input) => zstdDecompressSync(input),
};

/**
 * Opens a Parquet file. Reads only the requested columns, one row group at a time, so each row group must fit into
 * memory.
 * @throws Error that says what to install when the optional reader is absent, otherwise one that names the file
 */
export async function openParquet(file: string): Promise<WideTable> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetRead, parquetSchema } = await parquetReader();
  const { buffer, metadata } = await readable(file, async () => {
    const buffer = await asyncBufferFromFile(file);
    return { buffer, metadata: await parquetMetadataAsync(buffer) };
  });
  return {
    columns: parquetSchema(metadata).children.map(({ element }) => element.name),
    rowCount: Number(metadata.num_rows),
    async *rows(columns) {
      let rowStart = 0;
      for (const group of metadata.row_groups) {
        const rowEnd = rowStart + Number(group.num_rows);
        const range = { rowStart, rowEnd, columns: [...columns] };
        const rows = await readable(
          file,
          () =>
            new Promise<unknown[][]>((resolve, reject) => {
              const options = { ...range, file: buffer, metadata, compressors: COMPRESSORS, onComplete: resolve };
              parquetRead(options).catch(reject);
            }),
        );
        yield* rows;
        rowStart = rowEnd;
      }
    },
  };
}

async function readable<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw new Error(`Cannot read ${file}: ${messageOf(error)}`);
  }
}

async function parquetReader() {
  try {
    return await import('hyparquet');
  } catch {
    throw new Error('Reading Parquet needs an optional package: npm install hyparquet');
  }
}
