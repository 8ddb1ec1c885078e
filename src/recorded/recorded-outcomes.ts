import { normalizedText } from '../util/normalized-text.ts';
import { type RecordedRow, readRecordedRows } from './recorded-row.ts';

/** What several real models scored on one prompt. `quality` and `cost` are in the order of `RecordedData.models`. */
export interface RecordedQuery {
  id: string;
  /** The benchmark that it comes from; empty when the file names none. */
  task: string;
  /** The question without repeated examples if the file has it, otherwise the prompt. */
  text: string;
  /** 0..1 */
  quality: number[];
  /** USD; NaN when the file has none. Such rows are read only on request. */
  cost: number[];
}

export interface ReadOptions {
  /** Stop after this many usable queries. */
  limit?: number;
  /** Also read rows without costs, for uses that need only qualities. */
  withoutCosts?: boolean;
  /** Also read rows whose text repeats an earlier row's, for uses that need not tell their answers apart. */
  withRepeats?: boolean;
}

export interface RecordedData {
  file: string;
  /** Names of all models, sorted. */
  models: string[];
  /** In the order of the file, which is often sorted by task: shuffle before cutting. */
  queries: RecordedQuery[];
  /** Number of rows that were not usable, by reason. */
  leftOut: {
    /** A model is missing or has no quality. */
    incomplete: number;
    /** A model has no cost. */
    costless: number;
    /** The text repeats an earlier row's, so that an upstream could not tell the two apart. */
    repeated: number;
  };
  /** Models that occur in some row but not in the first one; they are ignored. */
  otherModels: Set<string>;
}

const NO_PROMPT =
  "it is absent. The gateway's log holds no prompts and only one model per query, so models cannot be compared on it.";

/**
 * Reads recorded outcomes (JSON lines, gzipped when the name ends in `.gz`). The models are those of the first row;
 * rows that lack one of them, its quality or its cost are left out and counted.
 * @throws Error that names the file and, for a bad row, its line and field
 */
export async function loadRecordedOutcomes(file: string, options: ReadOptions = {}): Promise<RecordedData> {
  const leftOut = { incomplete: 0, costless: 0, repeated: 0 };
  const data: RecordedData = { file, models: [], queries: [], leftOut, otherModels: new Set() };
  const seen = new Set<string>();
  for await (const { row, where } of readRecordedRows(file)) {
    if (data.queries.length >= (options.limit ?? Number.POSITIVE_INFINITY)) break;
    const text = row.question || row.prompt;
    if (typeof text !== 'string') throw new Error(`${where}, prompt: ${NO_PROMPT}`);
    addRow(data, row, text, seen, options);
  }
  if (data.queries.length === 0) throw new Error(explainEmptiness(data));
  return data;
}

function addRow(data: RecordedData, row: RecordedRow, text: string, seen: Set<string>, options: ReadOptions): void {
  if (data.models.length === 0) data.models = Object.keys(row.models).sort();
  for (const model of Object.keys(row.models)) if (!data.models.includes(model)) data.otherModels.add(model);
  const outcomes = data.models.map((model) => row.models[model]);
  const quality = outcomes.flatMap((outcome) => outcome?.quality ?? []);
  const cost = outcomes.flatMap((outcome) => outcome?.cost ?? (options.withoutCosts ? Number.NaN : []));
  if (quality.length < outcomes.length) data.leftOut.incomplete++;
  else if (cost.length < outcomes.length) data.leftOut.costless++;
  else if (seen.has(normalizedText(text)) && !options.withRepeats) data.leftOut.repeated++;
  else {
    seen.add(normalizedText(text));
    data.queries.push({ id: row.id, task: row.task ?? '', text, quality, cost });
  }
}

/** Describes which parts of the file are not used; empty when all of it is. */
export function notesOn({ file, leftOut, otherModels }: RecordedData): string[] {
  const { incomplete, costless, repeated } = leftOut;
  const reasons = [
    incomplete > 0 && `${incomplete} without a quality for every model of the first row`,
    costless > 0 && `${costless} without a cost for every model`,
    repeated > 0 && `${repeated} whose text repeats an earlier row`,
  ].filter((reason) => reason !== false);
  return [
    reasons.length > 0 && `${file}: rows left out: ${reasons.join(', ')}`,
    otherModels.size > 0 && `${file}: models left out because the first row lacks them: ${[...otherModels].join(', ')}`,
  ].filter((note) => note !== false);
}

function explainEmptiness({ file, leftOut }: RecordedData): string {
  if (leftOut.costless > 0) {
    return `${file} records no costs (they are null), and costs are needed: quality is compared per dollar. Use a file whose models have a "cost" in USD.`;
  }
  if (leftOut.incomplete > 0) return `${file}: no row has a quality for every model of its first row.`;
  return `${file} holds no queries.`;
}
