import type { Clock } from '../../util/clock.ts';
import type { NumberedText } from './protocol.ts';

interface Waiting extends NumberedText {
  settle(outcome: Float32Array | Error): void;
}

/**
 * Texts that wait for their vectors: first come, first served, limited in number and in time. A text that nobody is
 * waiting for any longer is not started.
 */
export class WaitingTexts {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #waiting: Waiting[] = [];
  readonly #running = new Map<number, Waiting>();
  #nextId = 1;

  /** @param limit number of texts that may wait, not counting those that are being embedded */
  constructor(clock: Clock, limit: number) {
    this.#clock = clock;
    this.#limit = limit;
  }

  /** The number of texts that the thread is working on. */
  get running(): number {
    return this.#running.size;
  }

  /**
   * @param budgetMs null for no limit
   * @returns the vector; rejects when there is none in time
   */
  add(text: string, budgetMs: number | null): Promise<Float32Array> {
    if (this.#waiting.length >= this.#limit) {
      return Promise.reject(new Error(`${this.#limit} texts are already waiting for the embedding model`));
    }
    return new Promise((resolve, reject) => {
      let cancel = () => {};
      const waiting: Waiting = {
        id: this.#nextId++,
        text,
        settle(outcome) {
          cancel();
          if (outcome instanceof Error) reject(outcome);
          else resolve(outcome);
        },
      };
      this.#waiting.push(waiting);
      if (budgetMs === null) return;
      cancel = this.#clock.after(budgetMs, () => {
        const at = this.#waiting.indexOf(waiting);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(new Error(`the embedding model took longer than ${budgetMs} ms`));
      });
    });
  }

  /** Takes the next `count` texts, which count as running from now on. */
  take(count: number): NumberedText[] {
    const taken = this.#waiting.splice(0, count);
    for (const waiting of taken) this.#running.set(waiting.id, waiting);
    return taken.map(({ id, text }) => ({ id, text }));
  }

  /** Settles a running text; has no effect if its time was already over. */
  answer(id: number, outcome: Float32Array | Error): void {
    this.#running.get(id)?.settle(outcome);
    this.#running.delete(id);
  }

  /** Rejects all texts, waiting and running. */
  abandon(reason: string): void {
    const all = [...this.#running.values(), ...this.#waiting.splice(0)];
    this.#running.clear();
    for (const waiting of all) waiting.settle(new Error(reason));
  }
}
