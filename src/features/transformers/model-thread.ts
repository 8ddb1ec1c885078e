import { Worker } from 'node:worker_threads';
import { messageOf } from '../../util/message-of.ts';
import type { ModelFacts, NumberedText, ThreadData, ThreadReply } from './protocol.ts';

// The sources run as .ts, the built package as .js; TypeScript rewrites imports but not URLs.
const WORKER = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

/**
 * The environment variables that the hub's client reads. The thread gets no others, because it needs no provider keys.
 */
const VARIABLES = ['HF_ENDPOINT', 'HF_TOKEN', 'PATH', 'HOME', 'TMPDIR'];

export type StartWorker = (data: ThreadData) => Worker;

export const startWorker: StartWorker = (workerData) =>
  new Worker(WORKER, { workerData, env: threadEnvironment(process.env) });

/** Leaves out absent variables, because `undefined` would become the text "undefined" in the thread. */
export function threadEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => VARIABLES.includes(name)));
}

export interface ThreadEvents {
  /**
   * @param outcome the vector, or why there is none
   */
  onAnswer(id: number, outcome: Float32Array | Error): void;
  /** The thread has ended; called once. Texts that it has not answered are lost. */
  onLost(reason: string): void;
}

/** One thread with a loaded model, from start to end. */
export class ModelThread {
  readonly #worker: Worker;
  readonly #events: ThreadEvents;
  #lost = false;
  /** Why the thread is going to end, when that is known beforehand. */
  #reason: string | null = null;
  /** Rejects when the model cannot be loaded, or when the thread ends before it is loaded. */
  readonly ready: Promise<ModelFacts>;

  constructor(worker: Worker, events: ThreadEvents) {
    this.#worker = worker;
    this.#events = events;
    this.ready = new Promise((resolve, reject) => {
      worker.on('message', (reply: ThreadReply) => {
        if (reply.kind === 'ready') resolve({ width: reply.width, fingerprint: reply.fingerprint });
        else if (reply.kind === 'vector') events.onAnswer(reply.id, reply.vector);
        else if (reply.kind === 'failed') events.onAnswer(reply.id, new Error(reply.reason));
        else this.#reason = reply.reason;
      });
      const lose = (reason: string) => {
        reject(new Error(this.#reason ?? reason));
        this.#lose(this.#reason ?? reason);
      };
      worker.on('error', (error) => lose(messageOf(error)));
      worker.on('exit', (code) => lose(`its thread ended with code ${code}`));
    });
    this.ready.catch(() => {});
  }

  send(texts: readonly NumberedText[]): void {
    this.#worker.postMessage(texts);
  }

  /** Terminates the thread, whatever it is doing. */
  async stop(reason: string): Promise<void> {
    this.#reason ??= reason;
    await this.#worker.terminate();
  }

  #lose(reason: string): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#events.onLost(reason);
  }
}
