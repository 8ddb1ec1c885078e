/** So many answers are remembered one by one. Older ones are counted, and awaited until the next rating of any answer. */
const MAX_ANSWERS = 1000;

/** Who answered, and the answer's place among all: a number that grows from each to the next. */
type Answer = readonly [arm: string, place: number];

export interface AwaitedRatingsState {
  answers: readonly Answer[];
  older: readonly (readonly [arm: string, count: number])[];
}

/**
 * Answers whose ratings may still come: those since the newest that was rated. What came before it and has no rating is
 * taken to stay without.
 */
export class AwaitedRatings {
  #answers: Answer[] = [];
  #older = new Map<string, number>();
  /** Of both. */
  readonly #counts = new Map<string, number>();

  /** The arm has answered. */
  answered(arm: string, place: number): void {
    this.#answers.push([arm, place]);
    add(this.#counts, arm, 1);
    if (this.#answers.length <= MAX_ANSWERS) return;
    const oldest = this.#answers.shift();
    if (oldest) add(this.#older, oldest[0], 1);
  }

  /** The answer of that place was rated. */
  rated(place: number): void {
    const firstAwaited = this.#answers.findIndex(([, other]) => other > place);
    const settled = this.#answers.splice(0, firstAwaited < 0 ? this.#answers.length : firstAwaited);
    for (const [arm] of settled) add(this.#counts, arm, -1);
    for (const [arm, count] of this.#older) add(this.#counts, arm, -count);
    this.#older.clear();
  }

  /** Answers of the arm whose ratings may still come. */
  of(arm: string): number {
    return this.#counts.get(arm) ?? 0;
  }

  /** As if the arm had never answered. */
  forget(arm: string): void {
    this.#answers = this.#answers.filter(([other]) => other !== arm);
    this.#older.delete(arm);
    this.#counts.delete(arm);
  }

  state(): AwaitedRatingsState {
    return { answers: [...this.#answers], older: [...this.#older] };
  }

  restore({ answers, older }: AwaitedRatingsState): void {
    this.#answers = [...answers];
    this.#older = new Map(older);
    this.#counts.clear();
    for (const [arm] of answers) add(this.#counts, arm, 1);
    for (const [arm, count] of older) add(this.#counts, arm, count);
  }
}

function add(counts: Map<string, number>, arm: string, change: number): void {
  counts.set(arm, (counts.get(arm) ?? 0) + change);
}
