import { LRUCache } from 'lru-cache';

/**
 * Remembers the latest entries of several owners, up to a total capacity. Beyond it, the oldest entry of the owner with
 * the most entries is evicted, so that no owner can push out the entries of others.
 */
export class SharedCache<Value extends object | string> {
  readonly #capacity: number;
  readonly #byOwner = new Map<string | null, LRUCache<string, Value>>();
  #size = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get(key: string, owner: string | null): Value | undefined {
    return this.#byOwner.get(owner)?.get(key);
  }

  set(key: string, value: Value, owner: string | null): void {
    const own = this.#byOwner.get(owner) ?? this.#begin(owner);
    const before = own.size;
    own.set(key, value);
    this.#size += own.size - before;
    if (this.#size > this.#capacity) this.#evict(own);
  }

  #begin(owner: string | null): LRUCache<string, Value> {
    // `max` would make the cache allocate all of its memory at once.
    const own = new LRUCache<string, Value>({ maxSize: this.#capacity + 1, sizeCalculation: () => 1 });
    this.#byOwner.set(owner, own);
    return own;
  }

  /** @param latest the cache that loses an entry if no other cache has more entries */
  #evict(latest: LRUCache<string, Value>): void {
    let largest = latest;
    for (const [owner, cache] of this.#byOwner) {
      if (cache.size > largest.size) largest = cache;
      else if (cache.size === 0) this.#byOwner.delete(owner);
    }
    largest.pop();
    this.#size--;
  }
}
