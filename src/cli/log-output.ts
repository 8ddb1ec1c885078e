import pino from 'pino';

/** Bytes of the log that wait for an output which takes none: a minute or more of a busy gateway. */
const MAX_WAITING = 8 * 2 ** 20;

/**
 * Standard output, or standard error, for the log. Where it is a file on a full disk, or a pipe whose reader stands still,
 * lines wait in memory and go out with the next one that can; nothing else waits for them. pino's own output would throw out
 * of a callback then, which ends the process, and at its end try to write for as long as the disk is full.
 * @param onGap told, once lines are taken again, how many there was no room for
 * @param descriptor 1: standard output; 2: standard error
 */
export function logOutput(onGap: (lost: number) => void, descriptor: 1 | 2 = 1): pino.DestinationStream {
  // Of one byte, which every line has: without, `flush` does nothing.
  const output = pino.destination({ dest: descriptor, sync: false, minLength: 1, maxLength: MAX_WAITING });
  const flushSync = output.flushSync;
  let lost = 0;
  output.on('error', () => {
    output.flushSync = () => {};
  });
  output.on('drop', () => {
    lost++;
    // A dropped line starts no write; without this nothing would be written any more after a failure.
    output.flush();
  });
  output.on('write', () => {
    output.flushSync = flushSync;
    if (lost === 0) return;
    const gap = lost;
    lost = 0;
    onGap(gap);
    // There was no room for that line either: report the gap next time.
    if (lost > 0) lost = gap;
  });
  return output;
}
