/** Runs work never more than once at a time: if it is requested during a run, it runs again when that run ends. */
export class OneAtATime {
  readonly #work: () => Promise<void>;
  #running: Promise<void> | null = null;
  #askedMeanwhile = false;

  /** @param work never rejects */
  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /** The run under way; null when there is none. */
  get running(): Promise<void> | null {
    return this.#running;
  }

  /** Begins the work now, or once more when the current run ends. */
  ask(): void {
    if (this.#running) this.#askedMeanwhile = true;
    else this.occupy(this.#work());
  }

  /**
   * Runs other work in place of the usual one. Must be called only while nothing is running.
   * @param other never rejects
   */
  occupy(other: Promise<void>): void {
    this.#running = other.finally(() => {
      this.#running = null;
      if (!this.#askedMeanwhile) return;
      this.#askedMeanwhile = false;
      this.ask();
    });
  }

  /** Resolves when nothing is running any more. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }
}
