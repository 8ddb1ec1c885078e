import { DatabaseSync } from 'node:sqlite';
import type { StoredEvent } from '../../domain/events.ts';
import { fromRow } from '../event-row.ts';
import type { EventReader } from '../event-store.ts';
import { SCHEMA_VERSION, type StoredRow } from './database.ts';

/**
 * Reads the event log in a SQLite file without a chance to change it, also beside a gateway that writes it: in WAL mode
 * neither waits for the other. It blocks while it reads, so it is for commands, not for servers.
 */
export class SqliteEventReader implements EventReader {
  readonly #path: string;
  readonly #database: DatabaseSync;

  /** @throws Error that names the file when it cannot be read, or was written by another version */
  constructor(path: string) {
    this.#path = path;
    this.#database = this.#attempt(() => new DatabaseSync(path, { readOnly: true, timeout: 5000 }));
    this.#attempt(() => {
      const { version } = this.#one<{ version: number }>('SELECT user_version AS version FROM pragma_user_version');
      // What an older version has written can be read; only what writes brings the file up to date.
      if (version < 1 || version > SCHEMA_VERSION) {
        throw new Error(`it has schema ${version}, not ${SCHEMA_VERSION} or an earlier one`);
      }
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
