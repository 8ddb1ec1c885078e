import { accessSync, constants, existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Explains the most common mistake with containers and restored backups, as SQLite itself says only that it cannot open
 * the file.
 * @returns a sentence to append to SQLite's message; empty when the user of this process may write the file
 */
export function accessProblem(path: string): string {
  const file = resolve(path);
  const places = [file, `${file}-wal`, `${file}-shm`].filter((other) => existsSync(other)).concat(existingFolder(file));
  const place = places.find((other) => !isWritable(other));
  if (place === undefined) return '';
  const user = process.getuid?.() ?? 'of this process';
  return `. ${place} is not writable for user ${user}: change its owner, or use another storage.url`;
}

/** The folder of the file, or the nearest one above it that exists. */
function existingFolder(file: string): string {
  let folder = dirname(file);
  while (!existsSync(folder) && folder !== dirname(folder)) folder = dirname(folder);
  return folder;
}

function isWritable(place: string): boolean {
  try {
    accessSync(place, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
