/** One upstream in simulated time. It serves a fixed number of requests at once; others wait in order of arrival. */
export class SlotQueue {
  /** When each slot is free again, in seconds. */
  readonly #freeAt: Float64Array;

  /** @param slots 1 or more; infinite for an upstream without waiting */
  constructor(slots: number) {
    this.#freeAt = new Float64Array(Number.isFinite(slots) ? slots : 0);
  }

  /**
   * Must be called in order of arrival.
   * @param arrival seconds
   * @param service seconds
   * @returns when the service begins and ends, in seconds
   */
  enter(arrival: number, service: number): { begin: number; end: number } {
    let first = 0;
    for (let slot = 1; slot < this.#freeAt.length; slot++) {
      if (this.#freeAt[slot] < this.#freeAt[first]) first = slot;
    }
    const begin = this.#freeAt.length === 0 ? arrival : Math.max(arrival, this.#freeAt[first]);
    const end = begin + service;
    if (this.#freeAt.length > 0) this.#freeAt[first] = end;
    return { begin, end };
  }
}

/** Items due at later simulated times, delivered in order of time. */
export class Agenda<Item> {
  readonly #items: { time: number; item: Item }[] = [];

  add(time: number, item: Item): void {
    // Most new items are due late, so the search starts at the end.
    let place = this.#items.length;
    while (place > 0 && this.#items[place - 1].time > time) place--;
    this.#items.splice(place, 0, { time, item });
  }

  /** Removes and returns everything due up to and including this time, in order. */
  due(time: number): Item[] {
    let count = 0;
    while (count < this.#items.length && this.#items[count].time <= time) count++;
    return this.#items.splice(0, count).map(({ item }) => item);
  }
}
