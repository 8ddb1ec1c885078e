import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { schemaVersion } from './schema.ts';

/**
 * Opens a file for reading alone. SQLite writes an index beside a file in WAL mode even then. Where it cannot, as on a
 * read-only mount or a full disk, a file without a write-ahead log can still be read: nobody is writing it.
 * @throws Error when the file cannot be opened, or is no database
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
    // Opening alone reads nothing of the file.
    schemaVersion(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
