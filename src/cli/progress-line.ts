import type { Clock } from '../util/clock.ts';
import { shorten } from './table.ts';

/** Where progress is shown: `process.stdout`, `process.stderr` or a test's own stream. */
export interface ProgressStream {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

/** Minimum time between two redraws on a terminal, in milliseconds. */
const REDRAW_MS = 80;
/** Minimum time between two lines elsewhere (a file, a CI log), in milliseconds. */
const PRINT_MS = 5000;

/**
 * One line that shows how far a run has come. On a terminal it is redrawn in place; anywhere else a plain line is
 * printed from time to time, beginning at once.
 */
export class ProgressLine {
  readonly #stream: ProgressStream;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #shownAt = Number.NEGATIVE_INFINITY;
  /** The last text, if it came too soon after another to be shown. */
  #unshown: string | undefined;
  #drawn = false;

  constructor(stream: ProgressStream, clock: Pick<Clock, 'monotonic'>) {
    this.#stream = stream;
    this.#clock = clock;
  }

  /**
   * Shows `text` unless something was shown only a moment ago.
   * @param text without line breaks
   */
  update(text: string): void {
    const now = this.#clock.monotonic();
    this.#unshown = text;
    if (now - this.#shownAt < (this.#stream.isTTY ? REDRAW_MS : PRINT_MS)) return;
    this.#shownAt = now;
    this.#show(text);
  }

  /**
   * Ends the line with its last state. On a terminal, the cursor is on a new line afterwards.
   * @param text default: the last one
   */
  done(text = this.#unshown): void {
    if (text !== undefined) this.#show(text);
    if (this.#drawn) this.#stream.write('\n');
    this.#drawn = false;
  }

  #show(text: string): void {
    this.#unshown = undefined;
    if (!this.#stream.isTTY) return void this.#stream.write(`${text}\n`);
    // A terminal that does not know its size has 0 columns. One column stays free, because many terminals break the
    // line when the last column is written. The escape sequence clears the rest of the line.
    this.#stream.write(`\r${shorten(text, (this.#stream.columns || 100) - 1)}\u001b[K`);
    this.#drawn = true;
  }
}
