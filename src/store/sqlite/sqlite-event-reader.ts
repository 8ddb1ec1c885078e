import { backup, type DatabaseSync } from 'node:sqlite';
import type { StoredEvent } from '../../domain/events.ts';
import { fromRow } from '../event-row.ts';
import type { EventReader } from '../event-store.ts';
import { createFile, type StoredRow } from './database.ts';
import { openReadOnly } from './open-read-only.ts';
import { SCHEMA_VERSION, schemaVersion } from './schema.ts';

const ALL_PAGES = 2 ** 31 - 1;

/**
 * Reads the event log in a SQLite file and cannot change it. A gateway may write to the file at the same time: in WAL
 * mode neither waits for the other. Reading blocks, so this is for commands, not for servers.
 */
export class SqliteEventReader implements EventReader {
  readonly #path: string;
  readonly #database: DatabaseSync;

  /**
   * @throws Error that names the file when it cannot be read, or has a schema that this version does not know
   */
  constructor(path: string) {
    this.#path = path;
    this.#database = this.#attempt(() => {
      const database = openReadOnly(path);
      const version = schemaVersion(database);
      // An older version's file can be read; only a writer brings it up to date.
      if (version >= 1 && version <= SCHEMA_VERSION) return database;
      database.close();
      throw new Error(`it has schema ${version}, not ${SCHEMA_VERSION} or an earlier one`);
    });
  }

  async readAfter(sequence: number, limit: number): Promise<StoredEvent[]> {
    return this.#attempt(() => {
      const sql = 'SELECT sequence, body FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?';
      const rows = this.#database.prepare(sql).all(sequence, limit) as unknown as StoredRow[];
      return rows.map((row) => fromRow(row.sequence, row.body));
    });
  }

  async lastSequence(): Promise<number> {
    return this.#attempt(
      () => this.#one<{ last: number | null }>('SELECT max(sequence) AS last FROM events').last ?? 0,
    );
  }

  /**
   * Copies the log, snapshots included, as it is at this moment.
   * @param file must not exist yet
   */
  async copyTo(file: string): Promise<void> {
    createFile(file);
    // Copy all pages at once: in several steps the backup would start over whenever the gateway writes in between.
    await backup(this.#database, file, { rate: ALL_PAGES });
  }

  async close(): Promise<void> {
    this.#database.close();
  }

  #one<T>(sql: string): T {
    return this.#database.prepare(sql).get() as T;
  }

  #attempt<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw new Error(`Cannot read the event log ${this.#path}: ${(error as Error).message}`);
    }
  }
}
