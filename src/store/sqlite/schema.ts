import type { DatabaseSync } from 'node:sqlite';
import { UnusableStorageError } from '../event-store.ts';

/** One entry per schema version; the file's `user_version` says how many have been applied. */
const MIGRATIONS = [
  `CREATE TABLE events (
     sequence INTEGER PRIMARY KEY AUTOINCREMENT,
     type TEXT NOT NULL,
     decision_id TEXT NOT NULL,
     time INTEGER NOT NULL,
     unique_key TEXT UNIQUE,
     body TEXT NOT NULL
   ) STRICT;
   CREATE INDEX events_by_decision ON events (decision_id, sequence);
   CREATE TABLE aliases (alias TEXT PRIMARY KEY, decision_id TEXT NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE snapshots (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL, body TEXT NOT NULL) STRICT;`,
  // Changes only the version number: decisions now store a value that all arms share only once, which earlier versions
  // cannot read.
  '',
  // Snapshots are now stored as bytes. Earlier ones are no longer read: the learner is rebuilt from the log once.
  `DROP TABLE snapshots;
   CREATE TABLE snapshots (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL, body BLOB NOT NULL) STRICT;`,
];

export const SCHEMA_VERSION = MIGRATIONS.length;

const EVENT_COLUMNS = ['sequence', 'type', 'decision_id', 'time', 'unique_key', 'body'];

/** Number of migrations that were applied to the file. */
export function schemaVersion(database: DatabaseSync): number {
  return (database.prepare('PRAGMA user_version').get() as { user_version: number }).user_version;
}

/**
 * Makes sure that the file is empty or a log of the gateway: another application's file may have any `user_version`,
 * and tables with the same names as ours.
 * @throws UnusableStorageError
 */
export function checkOwner(database: DatabaseSync): void {
  const names = (sql: string) => (database.prepare(sql).all() as { name: string }[]).map(({ name }) => name);
  const tables = names("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
  if (tables.length === 0) return;
  // A newer version may have added columns.
  const columns = names("SELECT name FROM pragma_table_info('events')").slice(0, EVENT_COLUMNS.length);
  if (tables.includes('aliases') && columns.join() === EVENT_COLUMNS.join()) return;
  throw new UnusableStorageError(
    `it is the database of another application (table "${tables[0]}"). Name another file in storage.url.`,
  );
}

/**
 * Migrates the file to the current schema.
 * @param transaction runs its argument within a transaction that takes the write lock at once
 * @throws UnusableStorageError for a file written by a newer version
 */
export function migrate(database: DatabaseSync, transaction: (work: () => void) => void): void {
  while (schemaVersion(database) < SCHEMA_VERSION) {
    transaction(() => {
      // Read again under the lock: another process may have migrated in the meantime.
      const next = schemaVersion(database);
      if (next >= SCHEMA_VERSION) return;
      database.exec(MIGRATIONS[next]);
      database.exec(`PRAGMA user_version = ${next + 1}`);
    });
  }
  const version = schemaVersion(database);
  if (version === SCHEMA_VERSION) return;
  throw new UnusableStorageError(
    `it has schema ${version}, from a newer version of the gateway; this one knows ${SCHEMA_VERSION}. Start that version again, or name another file in storage.url.`,
  );
}
