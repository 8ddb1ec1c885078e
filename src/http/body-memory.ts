import { GatewayError } from '../domain/errors.ts';
import type { Logger } from '../gateway/logger.ts';
import type { Metrics } from '../gateway/metrics.ts';
import type { Clock } from '../util/clock.ts';
import { LogThrottle } from '../util/log-throttle.ts';

/** The code of the refusal, by which it is known again. */
export const OVERLOADED = 'overloaded';

/** Bodies up to this size are small: long conversations are, images and files are not. */
const SMALL_BYTES = 64 * 1024;
/** Part of the memory that is kept for small ones, so that they get through while large ones are refused. */
const SMALL_PART = 1 / 4;
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
 * Small and large bodies each have a part of the memory. Of either part a key may take half where there are several keys,
 * so that none shuts the others out. The first body of its kind always fits, however little memory there is.
 */
export class BodyMemory {
  readonly #parts: BodyMemoryParts;
  readonly #small: Room;
  readonly #large: Room;
  readonly #throttle: LogThrottle;
  #held = 0;

  constructor(parts: BodyMemoryParts) {
    this.#parts = parts;
    this.#small = new Room(parts.limitBytes * SMALL_PART);
    this.#large = new Room(parts.limitBytes * (1 - SMALL_PART));
    this.#throttle = new LogThrottle(parts.clock);
  }

  /** Nothing at first. @param key its name; null where none is asked for */
  hold(key: string | null): HeldBody {
    let held = 0;
    let isReleased = false;
    const set = (bytes: number) => {
      this.#roomOf(held).add(key, -held);
      this.#roomOf(bytes).add(key, bytes);
      this.#held += bytes - held;
      held = bytes;
      this.#parts.metrics.bodyBytes.set(this.#held);
    };
    return {
      resize: (bytes) => {
        if (isReleased) return;
        const before = held;
        set(0);
        const fits = this.#roomOf(bytes).fits(key, bytes, this.#parts.isShared());
        set(fits ? bytes : before);
        if (!fits) throw this.#refusal(key, bytes);
      },
      release: () => {
        if (!isReleased) set(0);
        isReleased = true;
      },
    };
  }

  #roomOf(bytes: number): Room {
    return bytes > SMALL_BYTES ? this.#large : this.#small;
  }

  #refusal(key: string | null, bytes: number): GatewayError {
    this.#parts.metrics.overloads.inc({ key: key ?? '' });
    this.#throttle.say((suppressed) =>
      this.#parts.log.warn(
        { key, bytes, heldBytes: this.#held, limitBytes: this.#parts.limitBytes, suppressed },
        'A request was refused: the bodies of those under way take the memory that they may (server.max_bodies_mb).',
      ),
    );
    return new GatewayError(503, 'Too many large requests are under way; try again in a moment.', {
      code: OVERLOADED,
      responseHeaders: { 'retry-after': String(RETRY_AFTER_S) },
    });
  }
}

/** A part of the memory. */
class Room {
  readonly #limit: number;
  #used = 0;
  readonly #usedBy = new Map<string | null, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  fits(key: string | null, bytes: number, isShared: boolean): boolean {
    const own = this.#usedBy.get(key) ?? 0;
    const isOver = this.#used > 0 && this.#used + bytes > this.#limit;
    return !isOver && !(isShared && own > 0 && own + bytes > this.#limit / 2);
  }

  /** @param bytes negative ones are given back */
  add(key: string | null, bytes: number): void {
    const own = (this.#usedBy.get(key) ?? 0) + bytes;
    this.#used += bytes;
    // Keys come and go with the config.
    if (own > 0) this.#usedBy.set(key, own);
    else this.#usedBy.delete(key);
  }
}
