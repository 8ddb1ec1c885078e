import { Worker } from 'node:worker_threads';
import type { GatewayEvent, StoredEvent } from '../../domain/events.ts';
import { fromRow, toRow } from '../event-row.ts';
import { type EventStore, type PruneBefore, type Snapshot, UnusableStorageError } from '../event-store.ts';
import type { SqliteDatabase, StoredRow } from './database.ts';

interface Call {
  worker: Worker;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** The thread's answer to one call. */
interface Answer {
  id: number;
  result: unknown;
  error?: string;
  isUnusable?: boolean;
}

// The sources run as .ts, the built package as .js; TypeScript rewrites imports but not URLs.
const WORKER = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

/** By default V8 would let the thread keep some 130 MB for objects that live only as long as a message. */
const YOUNG_GENERATION_MB = 8;

/** Where a store takes its thread from, and gives it back to once it has closed its database. */
export interface StoreThreads {
  start(path: string): Worker;
  end(worker: Worker): Promise<unknown>;
}

export const newThreads: StoreThreads = {
  start: (path) =>
    new Worker(WORKER, { workerData: { path }, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB } }),
  end: (worker) => worker.terminate(),
};

/**
 * The event log in one SQLite file (node:sqlite, WAL), accessed from a separate thread so that a slow disk does not
 * delay requests.
 */
export class SqliteEventStore implements EventStore {
  readonly #path: string;
  readonly #threads: StoreThreads;
  #worker: Worker | null = null;
  #calls = new Map<number, Call>();
  #nextId = 1;

  /**
   * @param path path of the file, which is created if absent, or `:memory:`
   * @param threads gives the thread that accesses it
   */
  constructor(path: string, threads: StoreThreads = newThreads) {
    this.#path = path;
    this.#threads = threads;
  }

  async append(events: readonly GatewayEvent[]): Promise<StoredEvent[]> {
    const appended = await this.#call('append', events.map(toRow));
    return appended.map((row, i) => (typeof row === 'number' ? { ...events[i], sequence: row } : toEvent(row)));
  }

  async readAfter(sequence: number, limit: number): Promise<StoredEvent[]> {
    return (await this.#call('readAfter', sequence, limit)).map(toEvent);
  }

  async findDecision(id: string, key: string | null = null): Promise<StoredEvent[]> {
    return (await this.#call('findDecision', id, key)).map(toEvent);
  }

  lastSequence(): Promise<number> {
    return this.#call('lastSequence');
  }

  prune(before: PruneBefore, limit: number): Promise<number> {
    return this.#call('prune', before, limit);
  }

  async saveSnapshot(name: string, snapshot: Snapshot): Promise<void> {
    const { buffer, byteLength } = snapshot.body;
    // Transferred, because copying megabytes would delay all requests. A body that shares its buffer with other data
    // must not take that along.
    const handedOver = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [];
    await this.#callWith(handedOver, 'saveSnapshot', name, snapshot);
  }

  loadSnapshot(name: string): Promise<Snapshot | null> {
    return this.#call('loadSnapshot', name);
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    if (!worker) return;
    await this.#call('close');
    this.#worker = null;
    await this.#threads.end(worker);
  }

  #call<M extends keyof SqliteDatabase>(
    method: M,
    ...args: Parameters<SqliteDatabase[M]>
  ): Promise<ReturnType<SqliteDatabase[M]>> {
    return this.#callWith([], method, ...args);
  }

  #callWith<M extends keyof SqliteDatabase>(
    handedOver: ArrayBuffer[],
    method: M,
    ...args: Parameters<SqliteDatabase[M]>
  ): Promise<ReturnType<SqliteDatabase[M]>> {
    const worker = this.#startedWorker();
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { worker, resolve: resolve as Call['resolve'], reject });
      // The thread keeps the process alive exactly as long as a call is waiting.
      worker.ref();
      worker.postMessage({ id, method, args }, handedOver);
    });
  }

  #startedWorker(): Worker {
    if (this.#worker) return this.#worker;
    const worker = this.#threads.start(this.#path);
    worker.unref();
    worker.on('message', ({ id, result, error, isUnusable }: Answer) => {
      const call = this.#calls.get(id);
      this.#calls.delete(id);
      if (this.#calls.size === 0) worker.unref();
      const Failure = isUnusable ? UnusableStorageError : Error;
      if (error === undefined) call?.resolve(result);
      else call?.reject(new Failure(`SQLite (${this.#path}): ${error}`));
    });
    worker.on('error', (error) => this.#lose(worker, error));
    worker.on('exit', () => this.#lose(worker, new Error('the thread ended')));
    this.#worker = worker;
    return worker;
  }

  /** Fails the calls that are waiting for this thread. The next call starts a new one. */
  #lose(worker: Worker, reason: Error): void {
    if (this.#worker === worker) this.#worker = null;
    for (const [id, call] of this.#calls) {
      if (call.worker !== worker) continue;
      this.#calls.delete(id);
      call.reject(new Error(`SQLite (${this.#path}): ${reason.message}`));
    }
  }
}

function toEvent(row: StoredRow): StoredEvent {
  return fromRow(row.sequence, row.body);
}
