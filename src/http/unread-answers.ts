import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from '../gateway/logger.ts';
import type { Clock } from '../util/clock.ts';
import { LogThrottle } from '../util/log-throttle.ts';

const LOOK_EVERY_MS = 5000;
/**
 * Consecutive checks (ten minutes in total) after which a client that read none of its answer is assumed not to want
 * it. Fewer would be too few: Linux reports progress only once a third of a buffer of several MB is free again, which
 * takes ten minutes for a client that reads 2 KB a second. Counted in checks rather than time, because a process that
 * itself stood still has made none.
 */
const PATIENCE_LOOKS = 120;

/** How much of an answer had been sent, and how many consecutive checks found the same amount. */
interface Standstill {
  written: number;
  waiting: number;
  looks: number;
}

/**
 * Closes connections whose client does not read: each answer waits for its client in memory, and there may be many.
 * Checked only from time to time, so that it costs requests nothing.
 */
export class UnreadAnswers {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #throttle: LogThrottle;
  readonly #open = new Map<Socket, Standstill | null>();
  #isWatching = false;

  constructor(server: Server, clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
    this.#throttle = new LogThrottle(clock);
    server.on('connection', (socket: Socket) => {
      this.#open.set(socket, null);
      socket.once('close', () => this.#open.delete(socket));
      if (!this.#isWatching) this.#watch();
    });
  }

  /** Keeps checking as long as there are connections. */
  #watch(): void {
    this.#isWatching = this.#open.size > 0;
    if (!this.#isWatching) return;
    this.#clock.after(LOOK_EVERY_MS, () => {
      for (const [socket, before] of this.#open) this.#look(socket, before);
      this.#watch();
    });
  }

  #look(socket: Socket, before: Standstill | null): void {
    const waiting = bytesWaiting(socket);
    if (waiting === 0) {
      if (before) this.#open.set(socket, null);
      return;
    }
    const written = socket.bytesWritten;
    if (before?.waiting !== waiting || before.written !== written) {
      this.#open.set(socket, { written, waiting, looks: 0 });
    } else if (++before.looks >= PATIENCE_LOOKS) {
      this.#throttle.say((suppressed) =>
        this.#log.warn({ bytes: waiting, suppressed }, 'A client did not read its answer: its connection was closed.'),
      );
      socket.destroy();
    }
  }
}

/**
 * Bytes that the operating system has not accepted yet. `writableLength` is unsuitable: it counts all of a large answer
 * until its last byte is gone, however fast its client reads.
 */
function bytesWaiting(socket: Socket): number {
  const { _handle: handle } = socket as Socket & { _handle?: { writeQueueSize?: number } | null };
  return handle?.writeQueueSize ?? 0;
}
