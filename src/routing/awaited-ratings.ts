/** More answers than these are not remembered: they would hardly narrow a draw any further. */
const MOST = 1000;

/** Who answered, and the answer's place among all: a number that grows from each to the next. */
type Answer = readonly [arm: string, place: number];

export interface AwaitedRatingsState {
  answers: readonly Answer[];
}

/**
 * Answers whose ratings may still come: those since the newest that was rated. What came before it and has no rating is
 * taken to stay without.
 */
export class AwaitedRatings {
  #answers: Answer[] = [];
  readonly #counts = new Map<string, number>();

  /** The arm has answered. */
  answered(arm: string, place: number): void {
    this.#answers.push([arm, place]);
    this.#count(arm, 1);
    if (this.#answers.length > MOST) this.#drop(1);
  }

  /** The answer of that place was rated. */
  rated(place: number): void {
    const still = this.#answers.findIndex(([, other]) => other > place);
    this.#drop(still < 0 ? this.#answers.length : still);
  }

  /** Answers of the arm whose ratings may still come. */
  of(arm: string): number {
    return this.#counts.get(arm) ?? 0;
  }

  /** As if the arm had never answered. */
  forget(arm: string): void {
    this.#answers = this.#answers.filter(([other]) => other !== arm);
    this.#counts.delete(arm);
  }

  state(): AwaitedRatingsState {
    return { answers: [...this.#answers] };
  }

  restore({ answers }: AwaitedRatingsState): void {
    this.#answers = [];
    this.#counts.clear();
    for (const [arm, place] of answers) this.answered(arm, place);
  }

  /** The oldest so many. */
  #drop(count: number): void {
    for (const [arm] of this.#answers.splice(0, count)) this.#count(arm, -1);
  }

  #count(arm: string, change: number): void {
    this.#counts.set(arm, this.of(arm) + change);
  }
}
