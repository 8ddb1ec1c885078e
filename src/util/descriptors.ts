import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';

/** `EMFILE` or `ENFILE` when this process cannot open any more files and connections; null when it can. */
export function outOfDescriptors(): string | null {
  try {
    closeSync(openSync(devNull, 'r'));
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? null;
  }
}
