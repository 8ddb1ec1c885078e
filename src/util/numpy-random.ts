/**
 * The permutations of numpy.random.default_rng(seed), so that published protocols that name their seeds can be repeated
 * on exactly the same splits: SeedSequence, PCG64 (XSL-RR; O'Neill 2014) and shuffling by masked rejection, as
 * implemented by NumPy 1.17 and later. For the gateway's own randomness, see random.ts.
 */

const MASK32 = 0xffffffffn;
const MASK64 = (1n << 64n) - 1n;
const MASK128 = (1n << 128n) - 1n;
const PCG_MULTIPLIER = 47026247687942121848144207491837523525n;

/**
 * numpy.random.SeedSequence(seed).generate_state(8) as 32-bit words.
 * @param seed 0 … 2³² − 1
 */
function seedWords(seed: number): number[] {
  let hash = 0x43b0d7e5;
  const hashed = (value: number) => {
    let mixed = (value ^ hash) >>> 0;
    hash = Math.imul(hash, 0x931e8875) >>> 0;
    mixed = Math.imul(mixed, hash) >>> 0;
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
  const mix = (x: number, y: number) => {
    const mixed = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) >>> 0;
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
  const pool = [seed >>> 0, 0, 0, 0].map(hashed);
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mix(pool[to], hashed(pool[from]));
  }
  let state = 0x8b51f9dd;
  return Array.from({ length: 8 }, (_, i) => {
    let value = (pool[i % 4] ^ state) >>> 0;
    state = Math.imul(state, 0x58f38ded) >>> 0;
    value = Math.imul(value, state) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  });
}

class Pcg64 {
  #state = 0n;
  readonly #increment: bigint;
  /** The upper half of a 64-bit number whose lower half has already been returned. */
  #spare: number | null = null;

  constructor(seed: number) {
    const words = seedWords(seed).map(BigInt);
    const wide = (i: number) => words[i] | (words[i + 1] << 32n);
    const initial = (wide(0) << 64n) | wide(2);
    const sequence = (wide(4) << 64n) | wide(6);
    this.#increment = ((sequence << 1n) | 1n) & MASK128;
    this.#step();
    this.#state = (this.#state + initial) & MASK128;
    this.#step();
  }

  #step(): void {
    this.#state = (this.#state * PCG_MULTIPLIER + this.#increment) & MASK128;
  }

  #next64(): bigint {
    this.#step();
    const folded = (this.#state >> 64n) ^ (this.#state & MASK64);
    const rotation = this.#state >> 122n;
    return ((folded >> rotation) | (folded << (64n - rotation))) & MASK64;
  }

  next32(): number {
    if (this.#spare !== null) {
      const upper = this.#spare;
      this.#spare = null;
      return upper;
    }
    const next = this.#next64();
    this.#spare = Number(next >> 32n);
    return Number(next & MASK32);
  }

  /**
   * Uniform on 0 … most, by masked rejection.
   * @param most below 2³²
   */
  upTo(most: number): number {
    const mask = 2 ** (32 - Math.clz32(most)) - 1;
    for (;;) {
      const value = (this.next32() & mask) >>> 0;
      if (value <= most) return value;
    }
  }
}

/**
 * numpy.random.default_rng(seed).permutation(size).
 * @param seed 0 … 2³² − 1
 * @param size below 2³²
 */
export function numpyPermutation(seed: number, size: number): number[] {
  const generator = new Pcg64(seed);
  const order = Array.from({ length: size }, (_, i) => i);
  for (let i = size - 1; i > 0; i--) {
    const j = generator.upTo(i);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
