/**
 * This many answers are remembered individually. Older ones are only counted, and stay awaited until the next rating of
 * any answer.
 */
const MAX_ANSWERS = 1000;

/** The arm that answered, and the answer's place: a number that increases from each answer to the next. */
type Answer = readonly [arm: string, place: number];

export interface AwaitedRatingsState {
  answers: readonly Answer[];
  older: readonly (readonly [arm: string, count: number])[];
}

/**
 * Answers whose ratings may still come: those after the newest rated one. Earlier answers without a rating are assumed
 * to stay unrated.
 */
export class AwaitedRatings {
  #answers: Answer[] = [];
  #older = new Map<string, number>();
  /** Awaited answers per arm: those remembered individually plus the older ones. */
  readonly #counts = new Map<string, number>();

  /** Notes an answer of the arm. */
  answered(arm: string, place: number): void {
    this.#answers.push([arm, place]);
    add(this.#counts, arm, 1);
    if (this.#answers.length <= MAX_ANSWERS) return;
    const oldest = this.#answers.shift();
    if (oldest) add(this.#older, oldest[0], 1);
  }

  /** Notes that the answer at that place was rated. */
  rated(place: number): void {
    const firstAwaited = this.#answers.findIndex(([, other]) => other > place);
    const settled = this.#answers.splice(0, firstAwaited < 0 ? this.#answers.length : firstAwaited);
    for (const [arm] of settled) add(this.#counts, arm, -1);
    for (const [arm, count] of this.#older) add(this.#counts, arm, -count);
    this.#older.clear();
  }

  /** The number of the arm's answers whose ratings may still come. */
  of(arm: string): number {
    return this.#counts.get(arm) ?? 0;
  }

  /** Resets the arm, as if it had never answered. */
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
