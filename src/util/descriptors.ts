import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';

/** `EMFILE` or `ENFILE` when this process may open no more files and connections; null when it may. */
export function outOfDescriptors(): string | null {
  try {
    closeSync(openSync(devNull, 'r'));
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? null;
  }
}
