import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from '../gateway/logger.ts';
import type { Clock } from '../util/clock.ts';
import { LogThrottle } from '../util/log-throttle.ts';

const LOOK_EVERY_MS = 5000;
/**
 * Checks in a row, ten minutes in all, after which a client that took none of its answer does not want it. Not fewer:
 * Linux reports progress only once a third of a buffer of several MB is free again, for a client that reads 2 KB a
 * second only every ten minutes. Counted in checks, because a process that itself stood still has made none.
 */
const PATIENCE_LOOKS = 120;

/** How much of an answer had gone out, and how many checks in a row found the same. */
interface Standstill {
  written: number;
  waiting: number;
  looks: number;
}

/**
 * Closes connections whose client does not read: each answer waits for it in memory, and there may be many. Checked
 * from time to time, so that it costs requests nothing.
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
 * Bytes that the operating system has not accepted yet. Not `writableLength`, which counts all of a large answer
 * until its last byte is gone, however fast its client reads.
 */
function bytesWaiting(socket: Socket): number {
  const { _handle: handle } = socket as Socket & { _handle?: { writeQueueSize?: number } | null };
  return handle?.writeQueueSize ?? 0;
}
