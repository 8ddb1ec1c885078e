import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../util/message-of.ts';
import { UnusableStorageError } from '../event-store.ts';
import { SqliteDatabase } from './database.ts';
import { accessProblem } from './file-access.ts';

/** SQLite codes after which only reopening helps: read-only, I/O error, corrupt, cannot open, not a database. */
const BROKEN = new Set([8, 10, 11, 14, 26]);
/** Errors that may be caused by an owner or mode: two of the codes above, and the errors of creating the folder. */
const MAYBE_DENIED = new Set<unknown>([8, 14, 'EACCES', 'EPERM', 'EROFS']);

type Access = Exclude<keyof SqliteDatabase, 'close'>;

const READING: ReadonlySet<Access> = new Set(['readAfter', 'findDecision', 'lastSequence', 'loadSnapshot']);

/** Runs the database's methods one by one, in the order of the calls. */
const port = parentPort;
if (!port) throw new Error('This file runs in a worker thread.');
let database: SqliteDatabase | null = null;
/** Stands in for `database` while the file cannot be opened for writing. */
let readOnly: SqliteDatabase | null = null;
/**
 * Set once the file was closed after a failure, because the file opened next may be another log. The next append then
 * fails too, so that the writer notices and compares the logs. Until an append has succeeded, events are not read, and
 * snapshots are neither read nor saved.
 */
let closedAfterFailure: 'unreported' | 'reported' | null = null;

port.on('message', ({ id, method, args }: { id: number; method: Access | 'close'; args: unknown[] }) => {
  try {
    port.postMessage({ id, result: method === 'close' ? close() : run(method, args) });
  } catch (error) {
    if (BROKEN.has(primaryCode(error))) forget();
    if (method === 'append' && closedAfterFailure) closedAfterFailure = 'reported';
    port.postMessage({
      id,
      error: messageOf(error) + (mayBeDenied(error) ? accessProblem(workerData.path) : ''),
      isUnusable: error instanceof UnusableStorageError,
    });
  }
});

/** What is called next, if anything, opens the database like a new thread. */
function close(): void {
  const open = [database, readOnly];
  database = readOnly = closedAfterFailure = null;
  for (const one of open) one?.close();
}

function run(method: Access, args: unknown[]): unknown {
  if (database && !database.isInPlace()) {
    forget();
    throw new Error('the file, or its -wal or -shm, was removed or replaced');
  }
  // What is folded and saved belongs to the earlier log. Only a look-up may use whatever log is there now.
  const isOpener = method === 'append' && closedAfterFailure === 'reported';
  if (closedAfterFailure && !isOpener && method !== 'findDecision') {
    throw new Error('the file was closed after an earlier failure');
  }
  const opened = openedFor(method);
  const result = (opened[method] as (...args: unknown[]) => unknown).apply(opened, args);
  if (method === 'append') closedAfterFailure = null;
  return result;
}

/**
 * Opens the file at the first call, and again after a failure, so that a disk that comes back needs no restart. A file
 * that cannot be opened for writing, for example on a full disk, is still read, because it holds budgets and retired
 * models.
 */
function openedFor(method: Access): SqliteDatabase {
  if (database) return database;
  try {
    database = new SqliteDatabase(workerData.path);
  } catch (error) {
    if (!READING.has(method) || error instanceof UnusableStorageError) throw error;
    readOnly ??= readOnlyOr(error);
    return readOnly;
  }
  const wasRead = readOnly;
  readOnly = null;
  wasRead?.close();
  if (!wasRead || wasRead.inode() === database.inode()) return database;
  forget();
  throw new Error('the file was replaced while it was open read-only');
}

function readOnlyOr(error: unknown): SqliteDatabase {
  try {
    return new SqliteDatabase(workerData.path, 'read');
  } catch {
    throw error;
  }
}

function forget(): void {
  const broken = database;
  database = null;
  readOnly?.close();
  readOnly = null;
  if (broken) closedAfterFailure = 'unreported';
  try {
    broken?.close();
  } catch {
    // The database was unusable, so it does not matter that it cannot be closed.
  }
}

function mayBeDenied(error: unknown): boolean {
  return MAYBE_DENIED.has(primaryCode(error)) || MAYBE_DENIED.has((error as { code?: unknown }).code);
}

/** SQLite's primary result code, the lower byte of its code; 0 for other errors. */
function primaryCode(error: unknown): number {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
}
