import { GatewayError } from '../domain/errors.ts';
import type { Logger } from '../gateway/logger.ts';
import type { Metrics } from '../gateway/metrics.ts';
import type { Clock } from '../util/clock.ts';
import { LogThrottle } from '../util/log-throttle.ts';

/** The error code that identifies the refusal. */
export const OVERLOADED = 'overloaded';

/** Bodies up to this size count as small: long conversations do, images and files do not. */
const SMALL_BYTES = 64 * 1024;
/** Fraction of the memory that large bodies may take, so that small ones still get through when large ones cannot. */
const LARGE_PART = 3 / 4;
/**
 * With several keys: the fraction of the memory that each key may always take, and the total use up to which a key may
 * exceed its fraction.
 */
const SHARE = { own: 1 / 2, while: 3 / 4 };
/** Answers take seconds, after which there is room again. */
const RETRY_AFTER_S = 5;

export interface BodyMemoryParts {
  /** The maximum that the bodies of all running requests may take together. */
  limitBytes: number;
  /** Whether several keys share the memory. */
  isShared(): boolean;
  metrics: Metrics;
  log: Logger;
  clock: Clock;
}

/** The memory that one request's body takes, until it is released. */
export interface HeldBody {
  /**
   * Sets or raises the body's size.
   * @throws GatewayError 503 when there is no room; the body keeps what it had
   */
  resize(bytes: number): void;
  /** Releases the memory. Later calls change nothing. */
  release(): void;
}

/**
 * Limits the memory that the bodies of all running requests take together. Until its answer ends, a body is held
 * several times: as text, as a parsed value, and as what goes upstream. Without a limit, a hundred large bodies would
 * bring the process down.
 *
 * With several keys, no key can shut the others out. One large body is let through however little memory there is.
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

  /**
   * Starts to hold a request's body, at size 0.
   * @param key the key's name; null where none is required
   */
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
    // True when no other large body is being held.
    if (large > 0 && this.#large.used === largePartOf(held)) return true;
    const fitsLarge = large === 0 || this.#large.fits(key, large - largePartOf(held), isShared);
    // A large body that was let through beyond the limit of large bodies must not take the memory reserved for small
    // ones.
    return fitsLarge && this.#all.fits(key, bytes - held - this.#large.excess, isShared);
  }

  #refusal(key: string | null, bytes: number): GatewayError {
    this.#parts.metrics.overloads.inc({ key: key ?? '' });
    this.#throttle.say((suppressed) =>
      this.#parts.log.warn(
        { key, bytes, heldBytes: this.#all.used, limitBytes: Math.round(this.#parts.limitBytes), suppressed },
        'A request was refused: the bodies of running requests leave no memory for it (server.max_bodies_mb). A quarter is kept for small bodies, and half for other keys.',
      ),
    );
    return new GatewayError(
      503,
      'The bodies of running requests leave no memory for this one; try again in a moment.',
      {
        code: OVERLOADED,
        responseHeaders: { 'retry-after': String(RETRY_AFTER_S) },
      },
    );
  }
}

function largePartOf(bytes: number): number {
  return bytes > SMALL_BYTES ? bytes : 0;
}

/** The whole memory, or the part of it that large bodies may take. */
class Room {
  readonly #limit: number;
  used = 0;
  readonly #usedBy = new Map<string | null, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes in use beyond the limit. */
  get excess(): number {
    return Math.max(0, this.used - this.#limit);
  }

  /**
   * @param more additional bytes
   * @param isShared whether several keys may need some of the memory
   */
  fits(key: string | null, more: number, isShared: boolean): boolean {
    const used = this.used + more;
    if (used > this.#limit) return false;
    const own = (this.#usedBy.get(key) ?? 0) + more;
    return !isShared || own <= SHARE.own * this.#limit || used <= SHARE.while * this.#limit;
  }

  /** @param more additional bytes; negative to give bytes back */
  add(key: string | null, more: number): void {
    this.used += more;
    const own = (this.#usedBy.get(key) ?? 0) + more;
    // Keys come and go with the config, so an entry must not outlive its bytes.
    if (own > 0) this.#usedBy.set(key, own);
    else this.#usedBy.delete(key);
  }
}
