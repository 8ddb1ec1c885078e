import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { aliasOf, type EventRow, fromRow } from '../event-row.ts';
import { ForeignStorageError, NewerSchemaError, type PruneBefore, type Snapshot } from '../event-store.ts';
import { openReadOnly } from './open-read-only.ts';

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
  // Changes nothing but the number: decisions now store a value that all arms share once, which earlier versions
  // cannot read.
  '',
  // Snapshots are bytes now. Earlier ones are no longer read: the learner is folded from the log once.
  `DROP TABLE snapshots;
   CREATE TABLE snapshots (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL, body BLOB NOT NULL) STRICT;`,
];

/** How long to wait for another process's lock. */
const LOCK_MS = 5000;

const EVENT_COLUMNS = 'sequence,type,decision_id,time,unique_key,body';

/**
 * After this many events in a row that are too young to prune, all the rest counts as too young. Events from the future
 * do not count: a clock that was ahead for a time must not end pruning.
 */
const YOUNG_IN_A_ROW = 1000;

/** Each may take some megabytes. */
const MAX_SNAPSHOTS = 4;

export const SCHEMA_VERSION = MIGRATIONS.length;

export interface StoredRow {
  sequence: number;
  body: string;
}

/** Result of appending a row: its number, or the earlier row with the same unique key. */
export type AppendedRow = number | StoredRow;

/**
 * Creates the file, for its user and group alone; the files that SQLite puts next to it get the same mode. A log says
 * who asked when, and holds comments.
 */
export function createFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  try {
    closeSync(openSync(path, 'wx', 0o640));
  } catch {
    // The file exists, or SQLite reports why it cannot be made.
  }
}

interface AgeRow {
  sequence: number;
  id: string;
  time: number;
}

type Statements = Record<
  | 'insert'
  | 'alias'
  | 'newAlias'
  | 'keyOf'
  | 'byUniqueKey'
  | 'after'
  | 'ofDecision'
  | 'named'
  | 'byAlias'
  | 'last'
  | 'ages'
  | 'lastOf'
  | 'remove'
  | 'removeAlias'
  | 'save'
  | 'load'
  | 'forget',
  StatementSync
>;

/** Alias of the newest decision of one key, for an id that a newer decision of another key has too. */
function aliasOfKey(alias: string, key: string): string {
  return `${key}\n${alias}`;
}

/** The blocking half of the SQLite store; `worker.ts` keeps it off the event loop. */
export class SqliteDatabase {
  readonly #database: DatabaseSync;
  readonly #path: string;
  /** Inodes of the file, of its write-ahead log, and of that log's index. */
  readonly #inodes: readonly (number | null)[];
  readonly #statements: Statements;
  /** What the last step of pruning was asked for, and the last event that it looked at. */
  #pruned = { time: 0, sequence: 0, upTo: 0 };

  /**
   * @param path of the file, or `:memory:`
   * @param access `read` is for a disk that takes no writes: only the methods that read work then
   * @throws NewerSchemaError, ForeignStorageError
   */
  constructor(path: string, access: 'write' | 'read' = 'write') {
    // Resolved, because SQLite takes a path that begins with `file:` for a URI.
    this.#path = path === ':memory:' ? path : resolve(path);
    if (access === 'write' && path !== ':memory:') createFile(this.#path);
    this.#database =
      access === 'write' ? new DatabaseSync(this.#path, { timeout: LOCK_MS }) : openReadOnly(this.#path).database;
    try {
      this.#checkOwner();
      if (access === 'read') {
        if (this.#version() !== MIGRATIONS.length) throw new Error('it was not written by this version of the gateway');
        this.#inodes = [statSync(this.#path).ino];
        this.#statements = this.#prepare();
        return;
      }
      // FULL: a commit is on disk before it returns. In WAL mode, NORMAL would lose the last commits in a power cut.
      this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
      this.#migrate();
      // All these files exist after the first read, and stay while anybody has the database open.
      this.#inodes = this.#currentInodes();
      this.#statements = this.#prepare();
    } catch (error) {
      // A damaged file is opened again every second. Left to the garbage collector, its descriptors would run out.
      this.#database.close();
      throw error;
    }
  }

  #prepare(): Statements {
    const prepare = (sql: string) => this.#database.prepare(sql);
    return {
      insert: prepare('INSERT INTO events (type, decision_id, time, unique_key, body) VALUES (?, ?, ?, ?, ?)'),
      alias: prepare('INSERT OR REPLACE INTO aliases (alias, decision_id) VALUES (?, ?)'),
      newAlias: prepare('INSERT OR IGNORE INTO aliases (alias, decision_id) VALUES (?, ?)'),
      // A damaged row must not prevent new ones from being written.
      keyOf: prepare(
        "SELECT iif(json_valid(body), body ->> '$.key', NULL) AS key FROM events WHERE decision_id = ? AND type = 'decided'",
      ),
      byUniqueKey: prepare('SELECT sequence, body FROM events WHERE unique_key = ?'),
      after: prepare('SELECT sequence, body FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?'),
      ofDecision: prepare('SELECT sequence, body FROM events WHERE decision_id = ? ORDER BY sequence'),
      named: prepare(
        "SELECT sequence, body FROM events WHERE decision_id = ? AND type IN ('completed', 'rated') ORDER BY sequence",
      ),
      byAlias: prepare('SELECT decision_id AS id FROM aliases WHERE alias = ?'),
      last: prepare('SELECT max(sequence) AS last FROM events'),
      ages: prepare(
        "SELECT sequence, decision_id AS id, time FROM events WHERE sequence > ? AND sequence <= ? AND decision_id <> '' ORDER BY sequence",
      ),
      lastOf: prepare('SELECT max(sequence) AS sequence, max(time) AS time FROM events WHERE decision_id = ?'),
      remove: prepare('DELETE FROM events WHERE decision_id = ?'),
      removeAlias: prepare('DELETE FROM aliases WHERE alias = ? AND decision_id = ?'),
      save: prepare('INSERT OR REPLACE INTO snapshots (name, sequence, body) VALUES (?, ?, ?)'),
      load: prepare('SELECT sequence, body FROM snapshots WHERE name = ?'),
      forget: prepare(
        'DELETE FROM snapshots WHERE rowid NOT IN (SELECT rowid FROM snapshots ORDER BY rowid DESC LIMIT ?)',
      ),
    };
  }

  /**
   * False once the file, or one that SQLite keeps next to it, was removed or replaced: SQLite would go on writing to
   * files that no restart will find.
   */
  isInPlace(): boolean {
    return this.#currentInodes().every((inode, i) => inode === this.#inodes[i]);
  }

  /** Inode of the file that is open; null in memory. */
  inode(): number | null {
    return this.#inodes[0] ?? null;
  }

  append(rows: readonly EventRow[]): AppendedRow[] {
    return this.#transaction(() => {
      // An empty transaction succeeds on a full disk. This pragma is written whether its value changes or not.
      if (rows.length === 0) this.#database.exec(`PRAGMA user_version = ${this.#version()}`);
      return rows.map((row) => this.#appendOne(row));
    });
  }

  readAfter(sequence: number, limit: number): StoredRow[] {
    return this.#statements.after.all(sequence, limit) as unknown as StoredRow[];
  }

  findDecision(id: string, key: string | null = null): StoredRow[] {
    // Events that belong to no decision have this id.
    if (id === '') return [];
    const own = this.#statements.ofDecision.all(id) as unknown as StoredRow[];
    if (own.length > 0) return own;
    const newest = this.#decisionNamed(id);
    if (newest === null) return [];
    const isOthers = key !== null && this.#keyOf(newest) !== key;
    const decision = (isOthers ? this.#decisionNamed(aliasOfKey(id, key)) : null) ?? newest;
    return this.#statements.ofDecision.all(decision) as unknown as StoredRow[];
  }

  #decisionNamed(alias: string): string | null {
    return (this.#statements.byAlias.get(alias) as { id: string } | undefined)?.id ?? null;
  }

  /** Name of the decision's gateway key; null when none was required. */
  #keyOf(decisionId: string): string | null {
    return (this.#statements.keyOf.get(decisionId) as { key: string | null } | undefined)?.key ?? null;
  }

  lastSequence(): number {
    return (this.#statements.last.get() as { last: number | null }).last ?? 0;
  }

  prune(before: PruneBefore, limit: number): number {
    return this.#transaction(() => {
      return this.#decisionsBefore(before, limit).reduce((sum, id) => sum + this.#remove(id), 0);
    });
  }

  /** Goes through the events from the beginning of the log, where the oldest usually are. */
  #decisionsBefore(before: PruneBefore, limit: number): string[] {
    const { time, now = Number.POSITIVE_INFINITY } = before;
    const sequence = Math.min(before.sequence, this.lastSequence() - 1);
    const found = new Set<string>();
    let young = 0;
    // The steps of one round ask for the same: each goes on where the last one ended.
    const isNextStep = this.#pruned.time === time && this.#pruned.sequence === before.sequence;
    this.#pruned = { time, sequence: before.sequence, upTo: isNextStep ? this.#pruned.upTo : 0 };
    const ages = this.#statements.ages.iterate(this.#pruned.upTo, sequence) as Iterable<AgeRow>;
    for (const event of ages) {
      if (found.size >= limit || young >= YOUNG_IN_A_ROW) break;
      this.#pruned.upTo = event.sequence;
      const isYoung = event.time >= time;
      if (!isYoung) young = 0;
      else if (event.time <= now) young++;
      if (isYoung || found.has(event.id)) continue;
      const last = this.#statements.lastOf.get(event.id) as unknown as PruneBefore;
      if (last.time < time && last.sequence <= sequence) found.add(event.id);
    }
    return [...found];
  }

  #remove(decisionId: string): number {
    const key = this.#keyOf(decisionId);
    // Leaves out the decision itself: parsing it is slow, and others wait for this transaction.
    for (const { sequence, body } of this.#statements.named.all(decisionId) as unknown as StoredRow[]) {
      const alias = aliasOf(fromRow(sequence, body));
      if (alias === null) continue;
      // These aliases may lead to another decision by now.
      this.#statements.removeAlias.run(alias, decisionId);
      if (key !== null) this.#statements.removeAlias.run(aliasOfKey(alias, key), decisionId);
    }
    return Number(this.#statements.remove.run(decisionId).changes);
  }

  saveSnapshot(name: string, snapshot: Snapshot): void {
    this.#transaction(() => {
      this.#statements.save.run(name, snapshot.sequence, snapshot.body);
      // A replaced row gets a new rowid, so that the rowids follow the order of saving.
      this.#statements.forget.run(MAX_SNAPSHOTS);
    });
  }

  loadSnapshot(name: string): Snapshot | null {
    return (this.#statements.load.get(name) as unknown as Snapshot | undefined) ?? null;
  }

  close(): void {
    try {
      const [inode, log] = this.#currentInodes();
      // SQLite moves the write-ahead log into the file at the last close. If that log was deleted, the next opener
      // would find nothing of it.
      if (inode === this.#inodes[0] && log === null) this.#database.exec('PRAGMA wal_checkpoint(FULL)');
    } finally {
      this.#database.close();
    }
  }

  #currentInodes(): (number | null)[] {
    if (this.#path === ':memory:') return [];
    return ['', '-wal', '-shm'].map((end) => statSync(`${this.#path}${end}`, { throwIfNoEntry: false })?.ino ?? null);
  }

  #appendOne(row: EventRow): AppendedRow {
    const earlier = row.uniqueKey === null ? undefined : this.#statements.byUniqueKey.get(row.uniqueKey);
    if (earlier) return earlier as unknown as StoredRow;
    const { lastInsertRowid } = this.#statements.insert.run(
      row.type,
      row.decisionId,
      row.time,
      row.uniqueKey,
      row.body,
    );
    if (row.alias !== null) this.#name(row.decisionId, row.alias);
    return Number(lastInsertRowid);
  }

  /**
   * Lets an id lead to the newest decision: some servers reuse completion ids (Ollama has 999). The decision that it
   * led to before is remembered as the newest of its key. Otherwise one key's answers would take away the ids by
   * which another key rates.
   */
  #name(decisionId: string, alias: string): void {
    if (this.#statements.newAlias.run(alias, decisionId).changes > 0) return;
    const earlier = this.#decisionNamed(alias);
    const key = earlier === null ? null : this.#keyOf(earlier);
    if (key !== null) this.#statements.alias.run(aliasOfKey(alias, key), earlier);
    this.#statements.alias.run(alias, decisionId);
  }

  #transaction<T>(work: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      // A failed COMMIT may have rolled back by itself; a second rollback would hide the first error.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  /** Another application's file may have any `user_version`, and tables that are named like ours. */
  #checkOwner(): void {
    const all = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    const tables = (this.#database.prepare(all).all() as { name: string }[]).map(({ name }) => name);
    if (tables.length === 0) return;
    const columns = this.#database.prepare("SELECT name FROM pragma_table_info('events')").all() as { name: string }[];
    // A newer version may have added columns.
    const isOurs =
      tables.includes('aliases') &&
      columns
        .map(({ name }) => name)
        .join()
        .startsWith(EVENT_COLUMNS);
    if (!isOurs) throw new ForeignStorageError(`it is the database of another application (table "${tables[0]}")`);
  }

  #migrate(): void {
    while (this.#version() < MIGRATIONS.length) {
      this.#transaction(() => {
        // Read again under the lock: another process may have migrated in the meantime.
        const next = this.#version();
        if (next >= MIGRATIONS.length) return;
        this.#database.exec(MIGRATIONS[next]);
        this.#database.exec(`PRAGMA user_version = ${next + 1}`);
      });
    }
    const version = this.#version();
    if (version > MIGRATIONS.length) {
      throw new NewerSchemaError(
        `it has schema ${version}, of a newer version of the gateway; this one knows ${MIGRATIONS.length}`,
      );
    }
  }

  /** Number of migrations that were applied to the file. */
  #version(): number {
    return (this.#database.prepare('PRAGMA user_version').get() as { user_version: number }).user_version;
  }
}
