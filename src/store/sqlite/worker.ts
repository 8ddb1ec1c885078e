import { parentPort, workerData } from 'node:worker_threads';
import { SqliteDatabase } from './database.ts';

/** Runs the database's methods one after the other, as they are asked for. */
const port = parentPort;
if (!port) throw new Error('This file runs in a worker thread.');
let database: SqliteDatabase | null = null;

port.on('message', ({ id, method, args }: { id: number; method: string; args: unknown[] }) => {
  try {
    // A file that cannot be opened has nothing to close.
    if (method === 'close' && !database) return port.postMessage({ id, result: null });
    // Opened at the first call and again after a failed opening: a disk that comes back needs no restart.
    database ??= new SqliteDatabase(workerData.path);
    const run = database[method as keyof SqliteDatabase] as (...args: unknown[]) => unknown;
    port.postMessage({ id, result: run.apply(database, args) });
  } catch (error) {
    port.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
