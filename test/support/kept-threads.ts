import type { Worker } from 'node:worker_threads';
import { newThreads, type StoreThreads } from '../../src/store/sqlite/sqlite-event-store.ts';

const idle: Worker[] = [];

/**
 * Threads for databases in memory that serve one store after another: starting a thread takes most of the time that it
 * takes to start and stop a test's gateway.
 */
export const keptThreads: StoreThreads = {
  start(path) {
    if (path !== ':memory:') throw new Error('A thread that is kept would open the next file by this name.');
    return idle.pop() ?? newThreads.start(path);
  },
  async end(worker) {
    // Node's own listeners among the rest must stay.
    for (const name of ['message', 'error', 'exit'] as const) worker.removeAllListeners(name);
    idle.push(worker);
  },
};
