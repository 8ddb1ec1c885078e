import { datasetName } from '../offline/online/summary.ts';
import { loadRecordedOutcomes, notesOn, type RecordedData } from '../recorded/recorded-outcomes.ts';
import { normalizedText } from '../util/normalized-text.ts';
import { tell } from './print.ts';

/** Reports on standard error which parts of a file of recorded outcomes are not used. */
export function tellLeftOut(data: RecordedData): void {
  for (const note of notesOn(data)) tell(`note: ${note}`);
}

/**
 * Like `tellLeftOut`, for files that threads will read: once per file, and before the work.
 * @throws Error as `loadRecordedOutcomes` does, and when two files would have the same name in reports and plots
 */
export async function tellLeftOutOf(files: readonly string[]): Promise<void> {
  const names = files.map(datasetName);
  const repeated = names.findIndex((name, i) => names.indexOf(name) < i);
  if (repeated >= 0) {
    const [first, second] = [files[names.indexOf(names[repeated])], files[repeated]];
    throw new Error(`${first} and ${second} are both called ${names[repeated]} in reports: rename one.`);
  }
  for (const file of files) {
    const data = await loadRecordedOutcomes(file, { withRepeats: true });
    tellLeftOut(data);
    tellRepeats(data);
  }
}

/** Below this share, repeats change no figure. */
const TOLD_SHARE = 0.02;

function tellRepeats({ file, queries }: RecordedData): void {
  const repeats = queries.length - new Set(queries.map(({ text }) => normalizedText(text))).size;
  if (repeats < TOLD_SHARE * queries.length) return;
  tell(
    `note: ${file}: ${repeats} of ${queries.length} prompts repeat an earlier one. A prompt that is both learned from and judged on flatters every predictor: leave the repeats out for an honest figure.`,
  );
}
