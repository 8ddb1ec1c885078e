import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { schemaVersion } from './schema.ts';

/**
 * Opens a file for reading only. Even then, SQLite writes an index next to a file in WAL mode. Where it cannot, as on a
 * read-only mount or a full disk, a file without a write-ahead log can still be read, because nobody is writing to it.
 * @throws Error when the file cannot be opened or is not a database
 */
export function openReadOnly(path: string): DatabaseSync {
  try {
    return open(path);
  } catch (error) {
    const sizeOf = (file: string) => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (sizeOf(path) === 0 || sizeOf(`${path}-wal`) > 0) throw error;
    const url = pathToFileURL(path);
    url.searchParams.set('immutable', '1');
    try {
      return open(url);
    } catch {
      throw error;
    }
  }
}

function open(path: string | URL): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
  try {
    // Opening alone reads nothing from the file.
    schemaVersion(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
