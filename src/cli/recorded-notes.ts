import { datasetName } from '../offline/online/summary.ts';
import { loadRecordedOutcomes, notesOn, type RecordedData } from '../recorded/recorded-outcomes.ts';
import { tell } from './print.ts';

/** Says on standard error what of a file of recorded outcomes is not used. */
export function tellLeftOut(data: RecordedData): void {
  for (const note of notesOn(data)) tell(`note: ${note}`);
}

/**
 * The same of files that threads will read: once each, and before the work.
 * @throws Error as `loadRecordedOutcomes`, and when two files would go by the same name in reports and among plots
 */
export async function tellLeftOutOf(files: readonly string[]): Promise<void> {
  const names = files.map(datasetName);
  const repeated = names.findIndex((name, i) => names.indexOf(name) < i);
  if (repeated >= 0) {
    const [first, second] = [files[names.indexOf(names[repeated])], files[repeated]];
    throw new Error(`${first} and ${second} are both called ${names[repeated]} in reports: rename one.`);
  }
  for (const file of files) tellLeftOut(await loadRecordedOutcomes(file, { withRepeats: true }));
}
