/** Work of which there is never more than one piece under way: what is asked for meanwhile begins when that ends. */
export class OneAtATime {
  readonly #work: () => Promise<void>;
  #running: Promise<void> | null = null;
  #askedMeanwhile = false;

  /** @param work never rejects */
  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /** The piece under way; null when there is none. */
  get running(): Promise<void> | null {
    return this.#running;
  }

  /** Begins the work now, or once more when what is under way ends. */
  ask(): void {
    if (this.#running) this.#askedMeanwhile = true;
    else this.occupy(this.#work());
  }

  /** Takes the place of the work. To be called while nothing is under way. @param other never rejects */
  occupy(other: Promise<void>): void {
    this.#running = other.finally(() => {
      this.#running = null;
      if (!this.#askedMeanwhile) return;
      this.#askedMeanwhile = false;
      this.ask();
    });
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }
}
