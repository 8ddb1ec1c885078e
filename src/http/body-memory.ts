import { GatewayError } from '../domain/errors.ts';
import type { Logger } from '../gateway/logger.ts';
import type { Metrics } from '../gateway/metrics.ts';
import type { Clock } from '../util/clock.ts';
import { LogThrottle } from '../util/log-throttle.ts';

/** The code of the refusal, by which it is known again. */
export const OVERLOADED = 'overloaded';

/** Bodies up to this size are small: long conversations are, images and files are not. */
const SMALL_BYTES = 64 * 1024;
/** Part of the memory that large ones may take: small ones get through while they are refused. */
const LARGE_PART = 3 / 4;
/** What one of several keys may always take of what there is, and up to which use of it more than that. */
const SHARE = { own: 1 / 2, while: 3 / 4 };
/** Answers take seconds, and then there is room again. */
const RETRY_AFTER_S = 5;

export interface BodyMemoryParts {
  /** That the bodies of all requests under way may take together. */
  limitBytes: number;
  /** Whether several keys are to share it. */
  isShared(): boolean;
  metrics: Metrics;
  log: Logger;
  clock: Clock;
}

/** What one request's body takes of the memory, until it is given back. */
export interface HeldBody {
  /** The body is so large, or grows to that. @throws GatewayError 503 when there is no room; what it had it keeps */
  resize(bytes: number): void;
  /** Whatever comes later changes nothing. */
  release(): void;
}

/**
 * Bounds what the bodies of all requests under way take together. A body is held several times over till its answer
 * ends, as text, as value and as what goes upstream: without a bound a hundred large ones end the process.
 *
 * Where there are several keys, none shuts the others out. One large body is let through however little memory there is.
 */
export class BodyMemory {
  readonly #parts: BodyMemoryParts;
  readonly #all: Room;
  readonly #large: Room;
  readonly #throttle: LogThrottle;

  constructor(parts: BodyMemoryParts) {
    this.#parts = parts;
    this.#all = new Room(parts.limitBytes);
    this.#large = new Room(parts.limitBytes * LARGE_PART);
    this.#throttle = new LogThrottle(parts.clock);
  }

  /** Nothing at first. @param key its name; null where none is asked for */
  hold(key: string | null): HeldBody {
    let held = 0;
    let isReleased = false;
    const set = (bytes: number) => {
      this.#all.add(key, bytes - held);
      this.#large.add(key, largePartOf(bytes) - largePartOf(held));
      held = bytes;
      this.#parts.metrics.bodyBytes.set(this.#all.used);
    };
    return {
      resize: (bytes) => {
        if (isReleased) return;
        if (!this.#fits(key, bytes, held)) throw this.#refusal(key, bytes);
        set(bytes);
      },
      release: () => {
        if (!isReleased) set(0);
        isReleased = true;
      },
    };
  }

  #fits(key: string | null, bytes: number, held: number): boolean {
    const isShared = this.#parts.isShared();
    const large = largePartOf(bytes);
    // No other large one is under way.
    if (large > 0 && this.#large.used === largePartOf(held)) return true;
    const fitsLarge = large === 0 || this.#large.fits(key, large - largePartOf(held), isShared);
    // A large one that was let through beyond its part takes none of what is kept for small ones.
    return fitsLarge && this.#all.fits(key, bytes - held - this.#large.excess, isShared);
  }

  #refusal(key: string | null, bytes: number): GatewayError {
    this.#parts.metrics.overloads.inc({ key: key ?? '' });
    this.#throttle.say((suppressed) =>
      this.#parts.log.warn(
        { key, bytes, heldBytes: this.#all.used, limitBytes: this.#parts.limitBytes, suppressed },
        'A request was refused: the bodies of those under way take the memory that they may (server.max_bodies_mb).',
      ),
    );
    return new GatewayError(503, 'The requests under way have too large bodies for one more; try again in a moment.', {
      code: OVERLOADED,
      responseHeaders: { 'retry-after': String(RETRY_AFTER_S) },
    });
  }
}

function largePartOf(bytes: number): number {
  return bytes > SMALL_BYTES ? bytes : 0;
}

/** The memory, or the part of it that large bodies may take. */
class Room {
  readonly #limit: number;
  used = 0;
  readonly #usedBy = new Map<string | null, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes that are used beyond the limit. */
  get excess(): number {
    return Math.max(0, this.used - this.#limit);
  }

  /** @param more bytes @param isShared several keys may want some of it */
  fits(key: string | null, more: number, isShared: boolean): boolean {
    const used = this.used + more;
    if (used > this.#limit) return false;
    const own = (this.#usedBy.get(key) ?? 0) + more;
    return !isShared || own <= SHARE.own * this.#limit || used <= SHARE.while * this.#limit;
  }

  /** @param more bytes; negative ones are given back */
  add(key: string | null, more: number): void {
    this.used += more;
    const own = (this.#usedBy.get(key) ?? 0) + more;
    // Keys come and go with the config.
    if (own > 0) this.#usedBy.set(key, own);
    else this.#usedBy.delete(key);
  }
}
