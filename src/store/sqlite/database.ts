import { closeSync, openSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makeFolder } from '../../util/make-folder.ts';
import { DAY_MS } from '../../util/utc-day.ts';
import { aliasOf, type EventRow, fromRow } from '../event-row.ts';
import type { PruneBefore, Snapshot } from '../event-store.ts';
import { openReadOnly } from './open-read-only.ts';
import { checkOwner, migrate, SCHEMA_VERSION, schemaVersion } from './schema.ts';
import { prepareStatements, type Statements } from './statements.ts';

/** How long to wait for another process's lock. */
const LOCK_MS = 5000;
/** The same for what can be done later. Others read for a few milliseconds, except for a backup. */
const SHORT_LOCK_MS = 100;

/**
 * After this many consecutive events that are too young to prune, all the rest count as too young. Events from the
 * future do not count: a clock that was once ahead must not end pruning.
 */
const YOUNG_IN_A_ROW = 1000;

/** Limited because each may take some megabytes. */
const MAX_SNAPSHOTS = 4;

export interface StoredRow {
  sequence: number;
  body: string;
}

/** Result of appending a row: its number, or the earlier row with the same unique key. */
export type AppendedRow = number | StoredRow;

/**
 * Creates the file so that only its user and group have access; the files that SQLite puts next to it get the same
 * mode. A log reveals who asked when, and contains comments.
 */
export function createFile(path: string): void {
  makeFolder(dirname(path));
  try {
    closeSync(openSync(path, 'wx', 0o640));
  } catch {
    // Either the file exists, or SQLite will report why it cannot be created.
  }
}

interface AgeRow {
  sequence: number;
  id: string;
  time: number;
}

/** Alias of the newest decision of one key, for an id that a newer decision of another key also has. */
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
  /** The arguments of the last pruning step, and the last event that it looked at. */
  #pruned = { time: 0, sequence: 0, upTo: 0 };
  /** True if the write-ahead log should have been emptied, but could not be. */
  #isLogToEmpty = false;

  /**
   * @param path path of the file, or `:memory:`
   * @param access `read` is for a disk that cannot be written to: only the reading methods work then
   * @throws UnusableStorageError
   */
  constructor(path: string, access: 'write' | 'read' = 'write') {
    // Resolved, because SQLite takes a path that begins with `file:` for a URI.
    this.#path = path === ':memory:' ? path : resolve(path);
    if (access === 'write' && path !== ':memory:') createFile(this.#path);
    this.#database = access === 'write' ? new DatabaseSync(this.#path, { timeout: LOCK_MS }) : openReadOnly(this.#path);
    try {
      checkOwner(this.#database);
      if (access === 'read') {
        if (schemaVersion(this.#database) !== SCHEMA_VERSION)
          throw new Error('it was not written by this version of the gateway');
        this.#inodes = [statSync(this.#path).ino];
        this.#statements = prepareStatements(this.#database);
        return;
      }
      // FULL: a commit is on disk before it returns. In WAL mode, NORMAL would lose the last commits in a power cut.
      // Without `secure_delete`, all that is deleted could be read in the file, and in backups of it, until its space is
      // reused. With it, only copies that SQLite left in unused parts of a page, when it rearranged the page, can be.
      this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;');
      migrate(this.#database, (work) => this.#transaction(work));
      // All these files exist after the first read, and remain as long as anyone has the database open.
      this.#inodes = this.#currentInodes();
      this.#statements = prepareStatements(this.#database);
    } catch (error) {
      // A damaged file is reopened every second. If closing were left to the garbage collector, file descriptors would
      // run out.
      this.#database.close();
      throw error;
    }
  }

  /**
   * False once the file, or one that SQLite keeps next to it, was removed or replaced: SQLite would then keep writing
   * to files that no restart will find.
   */
  isInPlace(): boolean {
    return this.#currentInodes().every((inode, i) => inode === this.#inodes[i]);
  }

  /** Inode of the file that is open; null in memory. */
  inode(): number | null {
    return this.#inodes[0] ?? null;
  }

  /** @param emptiesLog false if the caller calls `emptyWriteAheadLog` after several withdrawals */
  append(rows: readonly EventRow[], emptiesLog = true): AppendedRow[] {
    let erased = 0;
    const appended = this.#transaction(() => {
      // An empty transaction would succeed on a full disk. This pragma causes a write whether or not its value changes.
      if (rows.length === 0) this.#database.exec(`PRAGMA user_version = ${schemaVersion(this.#database)}`);
      return rows.map((row) => {
        if (row.erases !== null)
          erased += Number(this.#statements.eraseComment.run(row.decisionId, row.erases).changes);
        return this.#appendOne(row);
      });
    });
    if (emptiesLog && erased > 0) this.emptyWriteAheadLog();
    else if (this.#isLogToEmpty) this.emptyWriteAheadLog(0);
    return appended;
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
    const deleted = this.#transaction(() =>
      this.#decisionsBefore(before, limit).reduce((sum, id) => sum + this.#remove(id), 0),
    );
    if (deleted === 0) this.emptyWriteAheadLog();
    return deleted;
  }

  /**
   * The decisions made in a period.
   * @param key name of the key that made them; null for all
   */
  decisionsOf(key: string | null, since: number, until: number): string[] {
    return (this.#statements.decisionsOf.all(since, until, key) as { id: string }[]).map(({ id }) => id);
  }

  /**
   * Deletes decisions with all their events, whatever their age. As in `prune`, a decision stays (`needed`) as long as
   * the learner's latest snapshot lacks one of its events, or the newest event of all is one of them; also as long as
   * its request may still be under way, because the end would otherwise follow without it, and its cost would be lost.
   * The caller calls `emptyWriteAheadLog` at the end.
   * @param now milliseconds since the Unix epoch
   */
  deleteDecisions(ids: readonly string[], now: number): ('deleted' | 'needed' | 'unknown')[] {
    return this.#transaction(() => {
      const saved = (this.#statements.savedUpTo.get() as { sequence: number } | undefined)?.sequence ?? 0;
      const upTo = Math.min(saved, this.lastSequence() - 1);
      return ids.map((id) => {
        const last = this.#statements.lastOf.get(id) as { sequence: number | null; time: number };
        if (id === '' || last.sequence === null) return 'unknown';
        // A process that was killed never records the end.
        const mayBeUnderWay = last.time > now - DAY_MS && !this.#statements.hasEnded.get(id);
        if (last.sequence > upTo || mayBeUnderWay) return 'needed';
        this.#remove(id);
        return 'deleted';
      });
    });
  }

  /**
   * Moves the write-ahead log into the file and empties it, because it still holds what was deleted. If another
   * connection goes on using it, the next `append` tries again, because all other calls would have to wait.
   * @param waitMs how long to wait for other connections
   */
  emptyWriteAheadLog(waitMs = SHORT_LOCK_MS): void {
    this.#isLogToEmpty = true;
    this.#database.exec(`PRAGMA busy_timeout = ${waitMs}`);
    try {
      this.#isLogToEmpty = this.#database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.busy !== 0;
    } catch {
      // The deletion is already committed. A failure here (a full disk) must not make it count as failed.
    } finally {
      this.#database.exec(`PRAGMA busy_timeout = ${LOCK_MS}`);
    }
  }

  /** Walks through the events from the beginning of the log, where the oldest usually are. */
  #decisionsBefore(before: PruneBefore, limit: number): string[] {
    const { time, now = Number.POSITIVE_INFINITY } = before;
    const sequence = Math.min(before.sequence, this.lastSequence() - 1);
    const found = new Set<string>();
    let young = 0;
    // The steps of one round have the same arguments, so each continues where the previous one ended.
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
    // Leaves out the decision itself, because parsing it is slow and others are waiting for this transaction.
    for (const { sequence, body } of this.#statements.named.all(decisionId) as unknown as StoredRow[]) {
      const alias = aliasOf(fromRow(sequence, body));
      if (alias === null) continue;
      // Other decisions may have taken over these aliases by now, so they are removed only if they lead to this one.
      this.#statements.removeAlias.run(alias, decisionId);
      if (key !== null) this.#statements.removeAlias.run(aliasOfKey(alias, key), decisionId);
    }
    return Number(this.#statements.remove.run(decisionId).changes);
  }

  saveSnapshot(name: string, snapshot: Snapshot): void {
    this.#transaction(() => {
      this.#statements.save.run(name, snapshot.sequence, snapshot.body);
      // A replaced row gets a new rowid, so the rowids follow the order of saving.
      this.#statements.forget.run(MAX_SNAPSHOTS);
    });
  }

  loadSnapshot(name: string): Snapshot | null {
    return (this.#statements.load.get(name) as unknown as Snapshot | undefined) ?? null;
  }

  close(): void {
    try {
      const [inode, log] = this.#currentInodes();
      // SQLite moves the write-ahead log into the file when the last connection closes. If that log was deleted, the
      // next process to open the file would find none of its content.
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
   * Makes an id lead to the newest decision, because some servers reuse completion ids (Ollama has 999). The decision
   * that the id led to before is remembered as the newest of its key. Otherwise one key's answers would take over the
   * ids by which another key rates.
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
      // A failed COMMIT may already have rolled back; a second rollback would hide the first error.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}
