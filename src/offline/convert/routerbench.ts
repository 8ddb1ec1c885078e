import type { RecordedOutcome, RecordedRow } from '../../recorded/recorded-row.ts';
import { parsePythonStrings } from './python-strings.ts';

const ID = 'sample_id';
const PROMPT = 'prompt';
const TASK = 'eval_name';
const COST = '|total_cost';
const ANSWER = '|model_response';

/** Where to find the parts of a row. */
export interface RouterBenchLayout {
  /** Names of the models, in the order of the table. */
  models: string[];
  /** The columns that are read: id, prompt, task, then score and cost of each model. */
  columns: string[];
}

/** A cell that is not a valid score or cost. */
export interface CellProblem {
  model: string;
  what: 'score' | 'cost';
  /** The cell's text; null when it is empty. */
  found: string | null;
}

/**
 * Finds the columns of RouterBench's wide table (Hu et al. 2024, arXiv 2403.12031): `sample_id`, `prompt`,
 * `eval_name`, and per model its score under its own name, `<model>|model_response` and `<model>|total_cost`. The
 * answers are not needed; other columns are ignored.
 * @throws Error that says what is missing
 */
export function routerBenchLayout(columns: readonly string[]): RouterBenchLayout {
  const lacking = [ID, PROMPT, TASK].filter((column) => !columns.includes(column));
  if (lacking.length > 0) throw new Error(`It has no column ${lacking.join(', ')}. ${explain(columns)}`);
  const models = columns.filter((column) => columns.includes(column + COST) || columns.includes(column + ANSWER));
  if (models.length === 0) throw new Error(`It has no column of a model's scores. ${explain(columns)}`);
  const costless = models.filter((model) => !columns.includes(model + COST));
  if (costless.length > 0) throw new Error(`It has no column ${costless.map((model) => model + COST).join(', ')}.`);
  return { models, columns: [ID, PROMPT, TASK, ...models.flatMap((model) => [model, model + COST])] };
}

function explain(columns: readonly string[]): string {
  const shown = columns.slice(0, 12).join(', ');
  return `RouterBench's wide table has ${ID}, ${PROMPT}, ${TASK}, and for each model a column of scores under its name and a column NAME${COST}. Found: ${shown || 'nothing'}${columns.length > 12 ? ', …' : ''}.`;
}

/**
 * Converts one row of the table to a line in our format. RouterBench has no token counts or times, so those are absent.
 * A model without a usable score or cost stays in the row with null in its place, because readers take the models from
 * the first row and count rows that lack something.
 * @param cells in the order of `layout.columns`
 * @returns null when there is no prompt
 */
export function convertRouterBenchRow(
  layout: RouterBenchLayout,
  cells: readonly unknown[],
  rowNumber: number,
): { row: RecordedRow; problems: CellProblem[] } | null {
  const [id, promptCell, task] = cells;
  const prompt = promptOf(promptCell);
  if (prompt === null) return null;
  const problems: CellProblem[] = [];
  const models: Record<string, RecordedOutcome> = {};
  layout.models.forEach((model, i) => {
    const read = (what: CellProblem['what'], cell: unknown, most: number) => {
      const value = numberOf(cell);
      if (value !== null && value >= 0 && value <= most) return value;
      problems.push({ model, what, found: isAbsent(cell) ? null : String(cell) });
      return null;
    };
    const [score, cost] = cells.slice(3 + 2 * i, 5 + 2 * i);
    models[model] = { quality: read('score', score, 1), cost: read('cost', cost, Number.MAX_VALUE) };
  });
  const row = { id: textOf(id) ?? `row-${rowNumber}`, task: textOf(task), prompt, models };
  return { row, problems };
}

/**
 * Prompts are lists of messages, usually with one entry; CSV files and pickles contain the list as Python writes it.
 */
function promptOf(cell: unknown): string | null {
  if (Array.isArray(cell)) return textOf(cell.join('\n'));
  const text = textOf(cell);
  if (text === null) return null;
  return textOf((parsePythonStrings(text) ?? [text]).join('\n'));
}

function textOf(cell: unknown): string | null {
  if (cell === null || cell === undefined || cell === '') return null;
  return String(cell);
}

/** What pandas and other tools write for a missing value. */
const ABSENT = /^\s*(nan|none|null|<na>|n\/a|na)?\s*$/i;

function isAbsent(cell: unknown): boolean {
  if (typeof cell === 'string') return ABSENT.test(cell);
  return cell === null || cell === undefined || Number.isNaN(cell);
}

function numberOf(cell: unknown): number | null {
  if (isAbsent(cell)) return null;
  if (typeof cell === 'string') {
    if (/^\s*(true|false)\s*$/i.test(cell)) return /true/i.test(cell) ? 1 : 0;
    return Number.isNaN(Number(cell)) ? null : Number(cell);
  }
  return typeof cell === 'number' || typeof cell === 'bigint' || typeof cell === 'boolean' ? Number(cell) : null;
}
