import { loadRecordedOutcomes, notesOn, type RecordedData } from '../recorded/recorded-outcomes.ts';

/** Says on standard error what of a file of recorded outcomes is not used. */
export function tellLeftOut(data: RecordedData): void {
  for (const note of notesOn(data)) console.error(`note: ${note}`);
}

/** The same of files that threads will read: once each, and before the work. @throws Error as `loadRecordedOutcomes` */
export async function tellLeftOutOf(files: readonly string[]): Promise<void> {
  for (const file of files) tellLeftOut(await loadRecordedOutcomes(file, { withRepeats: true }));
}
