import { fstatSync, write, writeSync } from 'node:fs';
import type pino from 'pino';

/** Bytes of log lines that may wait while the output accepts none: a minute or more of a busy gateway. */
const MAX_WAITING = 8 * 2 ** 20;
/** An output that accepts nothing at the moment is retried after this time. */
const RETRY_MS = 100;
/** Time that waiting lines get at the end of the process. */
const END_MS = 500;
const PAUSE_AT_END_MS = 10;
const TAKES_NOTHING_NOW = new Set(['EAGAIN', 'EBUSY']);

/**
 * Standard output or standard error, for the log. When it is a file on a full disk, or a pipe whose reader has stopped,
 * lines wait in memory and are written together with the next line that can be written. Nothing else waits for them,
 * except that the end of the process is delayed by half a second at most (but a stopped terminal blocks it). pino's own
 * output (sonic-boom 4), by contrast, keeps trying to write in the main thread at the end for as long as that fails,
 * whatever the reason, and only SIGKILL ends such a process.
 */
export class LogOutput implements pino.DestinationStream {
  readonly #descriptor: 1 | 2;
  readonly #onGap: (lost: number) => void;
  #lines: string[] = [];
  /** What is being written, or was written in part. */
  #chunk: Buffer | null = null;
  /** True for a pipe or a socket. Otherwise it is a file, whose disk may be slow, or a terminal. */
  readonly #isPipe: boolean;
  #isWriting = false;
  #retry: NodeJS.Timeout | null = null;
  #waiting = 0;
  #lost = 0;

  /**
   * @param onGap called once lines are accepted again, with the number of lines that were dropped
   * @param descriptor 1: standard output; 2: standard error
   */
  constructor(onGap: (lost: number) => void, descriptor: 1 | 2 = 1) {
    this.#onGap = onGap;
    this.#descriptor = descriptor;
    // Node makes a pipe non-blocking when its stream is first accessed. Otherwise a write to a full pipe would block a
    // thread, and the process could not end until that write returns.
    void (descriptor === 1 ? process.stdout : process.stderr);
    this.#isPipe = isPipe(descriptor);
    process.once('exit', () => this.#writeLast());
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#waiting + bytes > MAX_WAITING) this.#lost++;
    else {
      this.#lines.push(line);
      this.#waiting += bytes;
    }
    // A dropped line triggers a write too, because after a failure nothing else would.
    this.#writeNext();
  }

  #writeNext(): void {
    if (this.#isWriting || this.#retry) return;
    this.#chunk ??= this.#takeLines();
    if (this.#chunk === null) return;
    if (this.#isPipe) {
      this.#writeToPipe(this.#chunk);
      return;
    }
    this.#isWriting = true;
    write(this.#descriptor, this.#chunk, (error, written) => {
      this.#isWriting = false;
      if (!error) this.#wrote(written);
      else if (TAKES_NOTHING_NOW.has(String(error.code))) this.#retryLater();
      // After any other failure, the next line tries again.
    });
  }

  /** Synchronous: this does not block, and ensures that no write is under way when the process ends. */
  #writeToPipe(chunk: Buffer): void {
    let written: number;
    try {
      written = writeSync(this.#descriptor, chunk);
    } catch (error) {
      if (TAKES_NOTHING_NOW.has(String((error as NodeJS.ErrnoException).code))) this.#retryLater();
      return;
    }
    this.#wrote(written);
  }

  #retryLater(): void {
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.#writeNext();
    }, RETRY_MS);
  }

  #takeLines(): Buffer | null {
    if (this.#lines.length === 0) return null;
    const chunk = Buffer.from(this.#lines.join(''));
    this.#lines = [];
    return chunk;
  }

  #wrote(bytes: number): void {
    this.#waiting -= bytes;
    const rest = this.#chunk?.subarray(bytes) ?? null;
    this.#chunk = rest && rest.length > 0 ? rest : null;
    if (this.#lost > 0) this.#reportGap();
    this.#writeNext();
  }

  #reportGap(): void {
    const gap = this.#lost;
    this.#lost = 0;
    this.#onGap(gap);
    // That line was dropped too, so the gap is reported next time.
    if (this.#lost > 0) this.#lost = gap;
  }

  #writeLast(): void {
    // A write under way in another thread still completes.
    const started = this.#isWriting ? null : this.#chunk;
    let rest = Buffer.concat([started ?? Buffer.alloc(0), this.#takeLines() ?? Buffer.alloc(0)]);
    const end = performance.now() + END_MS;
    while (rest.length > 0 && performance.now() < end) {
      try {
        rest = rest.subarray(writeSync(this.#descriptor, rest));
      } catch (error) {
        if (!TAKES_NOTHING_NOW.has(String((error as NodeJS.ErrnoException).code))) return;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_AT_END_MS);
      }
    }
  }
}

/** Also false for a closed descriptor. */
function isPipe(descriptor: number): boolean {
  try {
    const there = fstatSync(descriptor);
    return there.isFIFO() || there.isSocket();
  } catch {
    return false;
  }
}
