import type { Clock } from '../../util/clock.ts';
import { messageOf } from '../../util/message-of.ts';
import { ModelThread, type StartWorker, startWorker } from './model-thread.ts';
import type { ModelFacts, ModelSettings } from './protocol.ts';
import { WaitingTexts } from './waiting-texts.ts';

/** Number of texts that are sent to the thread together; the next ones are sent when these are answered. */
const BATCH = 4;
/** More texts than a thread can embed within any sensible budget. */
const MAX_WAITING = 256;
/** A thread that has work but answers nothing for this long counts as lost. */
const STUCK_MS = 10_000;
/** Enough to load a model of a hundred megabytes over a slow connection. */
const LOAD_MS = 600_000;
const CLOSED = 'the embedding model is being closed';
const FIRST_RESTART_MS = 1000;
const MAX_RESTART_MS = 60_000;

export interface EncoderOptions extends ModelSettings {
  clock: Clock;
  /** Where models are stored once they are fetched from the hub. */
  cacheFolder: string;
  /** Time limit per text, including waiting; null for no limit. */
  budgetMs: number | null;
  /**
   * Called when the thread was lost and will be restarted (`false`, with the reason), and when it works again (`true`).
   */
  onHealth?: (healthy: boolean, reason: string) => void;
  /** Replaces the function that starts the thread. */
  startWorker?: StartWorker;
}

/** Sentence vectors from a model in its own thread, which is restarted when it is lost. */
export class SentenceEncoder {
  readonly #options: EncoderOptions;
  readonly #texts: WaitingTexts;
  /** The thread that has the model loaded. */
  #thread: ModelThread | null = null;
  /** A thread that is still loading the model. */
  #loading: ModelThread | null = null;
  #facts: ModelFacts | null = null;
  #restartMs = FIRST_RESTART_MS;
  #cancelRestart = () => {};
  #cancelWatch = () => {};
  #closed = false;
  #ending: Promise<unknown> = Promise.resolve();

  constructor(options: EncoderOptions) {
    this.#options = options;
    this.#texts = new WaitingTexts(options.clock, MAX_WAITING);
  }

  /**
   * Loads the model.
   * @throws Error that says why it cannot be loaded; nothing is left running then
   */
  async start(): Promise<ModelFacts> {
    this.#facts = await this.#load();
    return this.#facts;
  }

  /**
   * @returns `width` numbers, a vector of length 1; rejects when there is none in time, or at once when no thread is
   * running
   */
  encode(text: string): Promise<Float32Array> {
    if (!this.#thread) return Promise.reject(new Error('the embedding model is not loaded'));
    const vector = this.#texts.add(text, this.#options.budgetMs);
    this.#sendNext();
    return vector;
  }

  /** Leaves no thread and no timer running. Waiting texts are rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRestart();
    this.#cancelWatch();
    this.#texts.abandon(CLOSED);
    await Promise.all([this.#thread?.stop(CLOSED), this.#loading?.stop(CLOSED), this.#ending]);
  }

  async #load(): Promise<ModelFacts> {
    const { clock, model, dtype, maxTokens, cacheFolder } = this.#options;
    const worker = (this.#options.startWorker ?? startWorker)({ model, dtype, maxTokens, cacheFolder });
    const thread: ModelThread = new ModelThread(worker, {
      onAnswer: (id, outcome) => this.#answered(id, outcome),
      onLost: (reason) => this.#lost(thread, reason),
    });
    this.#loading = thread;
    const cancel = clock.after(LOAD_MS, () => this.#end(thread, `not loaded within ${LOAD_MS / 1000} s`));
    try {
      const facts = await thread.ready;
      if (this.#closed) throw new Error(CLOSED);
      this.#thread = thread;
      return facts;
    } finally {
      cancel();
      this.#loading = null;
    }
  }

  #sendNext(): void {
    if (!this.#thread || this.#texts.running > 0) return;
    const batch = this.#texts.take(BATCH);
    if (batch.length === 0) return;
    this.#thread.send(batch);
    this.#watch(this.#thread);
  }

  #watch(thread: ModelThread): void {
    this.#cancelWatch();
    this.#cancelWatch = this.#options.clock.after(STUCK_MS, () => {
      this.#end(thread, `it gave no answer for ${STUCK_MS / 1000} s`);
    });
  }

  #answered(id: number, outcome: Float32Array | Error): void {
    this.#texts.answer(id, outcome);
    this.#restartMs = FIRST_RESTART_MS;
    this.#cancelWatch();
    if (this.#texts.running === 0) this.#sendNext();
    else if (this.#thread) this.#watch(this.#thread);
  }

  /** Stops the thread; that it has ended is reported by `onLost`. */
  #end(thread: ModelThread, reason: string): void {
    this.#ending = thread.stop(reason);
  }

  #lost(thread: ModelThread, reason: string): void {
    // A thread that was lost before its model was loaded is handled by whoever awaits `#load`.
    if (thread !== this.#thread) return;
    this.#thread = null;
    this.#cancelWatch();
    if (this.#closed) return;
    this.#texts.abandon(`the embedding model was lost: ${reason}`);
    this.#options.onHealth?.(false, reason);
    this.#restartLater();
  }

  #restartLater(): void {
    this.#cancelRestart = this.#options.clock.after(this.#restartMs, () => void this.#restart());
    this.#restartMs = Math.min(2 * this.#restartMs, MAX_RESTART_MS);
  }

  async #restart(): Promise<void> {
    try {
      const { fingerprint } = await this.#load();
      if (fingerprint !== this.#facts?.fingerprint) throw new Error("the model's files have changed");
      this.#options.onHealth?.(true, 'the embedding model works again');
    } catch (error) {
      if (this.#closed) return;
      const reason = messageOf(error);
      await this.#discard(reason);
      if (this.#closed) return;
      this.#options.onHealth?.(false, reason);
      this.#restartLater();
    }
  }

  /** Stops a thread whose model is not the one that the map was fitted on. */
  async #discard(reason: string): Promise<void> {
    const thread = this.#thread;
    this.#thread = null;
    await thread?.stop(reason);
  }
}
