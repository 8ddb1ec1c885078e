import type { Writable } from 'node:stream';
import { printable } from './print.ts';
import type { ProgressStream } from './progress-line.ts';

/** Says why a command failed, overwriting a progress line that may still be shown. */
export function sayFailure(errors: ProgressStream, reason: string): void {
  errors.write(`${errors.isTTY ? '\r\u001b[K' : ''}${printable(reason)}\n`);
}

/**
 * Reports when standard output cannot be written. `console.log` says nothing in that case, and a script would take half
 * a result for a whole one. A reader that stops early is not an error, and losing the reader of the progress does not
 * end the work.
 * @param fail receives the reason, once
 */
export function watchStandardStreams(output: Writable, errors: Writable, fail: (reason: string) => void): void {
  let isTold = false;
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (isTold || error.code === 'EPIPE') return;
    isTold = true;
    fail(`Standard output cannot be written, so the result is incomplete: ${error.message}`);
  });
  errors.on('error', () => {});
}
