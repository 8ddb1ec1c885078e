import { existsSync, realpathSync, rmSync, statSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder } from './make-folder.ts';

const STOPS = ['SIGINT', 'SIGTERM'] as const;

/** @throws Error when the file exists, unless `force` is set */
export function refuseToOverwrite(file: string, force: boolean): void {
  if (!force && existsSync(file)) throw new Error(`${file} already exists: add --force to overwrite it.`);
}

/** The path of a file while it is being written, and its final path. */
export interface Place {
  unfinished: string;
  /** Equal to `unfinished` for a device or a pipe, which are written directly and never replaced. */
  whole: string;
}

/**
 * @param file may be a link, which is kept as a link
 * @throws Error when it is a folder
 */
export function placeOf(file: string): Place {
  const there = statSync(file, { throwIfNoEntry: false });
  if (there?.isDirectory()) throw new Error(`${file} is a folder; name a file in it.`);
  if (there && !there.isFile()) return { unfinished: file, whole: file };
  const whole = there ? realpathSync(file) : file;
  return { unfinished: `${whole}.${process.pid}.tmp`, whole };
}

/** Moves the finished file to its final path. */
export async function finish({ unfinished, whole }: Place): Promise<void> {
  if (unfinished !== whole) await rename(unfinished, whole);
}

/** Removes the unfinished file. Whatever is at the final path stays untouched. */
export function abandon({ unfinished, whole }: Place): void {
  if (unfinished !== whole) rmSync(unfinished, { force: true });
}

/**
 * Writes a file under a temporary name, and renames it once it is complete. When writing fails or is stopped, an
 * existing file stays untouched and no other file is left behind.
 * @param write writes to the path that it is given
 */
export async function writingWhole(file: string, write: (unfinished: string) => Promise<void>): Promise<void> {
  makeFolder(dirname(file));
  const place = placeOf(file);
  // Handled only once, so that the same signal, sent again, ends the process as if it had no handler.
  const stop = (signal: NodeJS.Signals) => {
    abandon(place);
    process.kill(process.pid, signal);
  };
  for (const signal of STOPS) process.once(signal, stop);
  try {
    await write(place.unfinished);
    await finish(place);
  } catch (error) {
    abandon(place);
    throw error;
  } finally {
    for (const signal of STOPS) process.off(signal, stop);
  }
}

/**
 * Writes files that belong together, as pairs of name and content. None is moved to its final path before all are
 * complete, so a full disk does not cost an existing file. Two simultaneous runs leave the files of one or the other,
 * never a mixture within a file.
 */
export async function writeWhole(files: readonly (readonly [file: string, content: string | Uint8Array])[]) {
  const places = files.map(([file]) => placeOf(file));
  try {
    for (const [i, { unfinished }] of places.entries()) await writeFile(unfinished, files[i][1]);
    for (const place of places) await finish(place);
  } catch (error) {
    for (const place of places) abandon(place);
    throw error;
  }
}
