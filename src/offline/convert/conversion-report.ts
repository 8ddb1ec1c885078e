import type { CellProblem } from './routerbench.ts';

interface ProblemCount extends CellProblem {
  count: number;
  /** Row of the first occurrence, counted from 1. */
  firstRow: number;
}

/** What a conversion did. Everything dropped is counted, so that nothing is lost silently. */
export class ConversionReport {
  /** Lines written. */
  rows = 0;
  /** Lines in which some model has no score or no cost. */
  incomplete = 0;
  /** Rows of the table without a prompt, which were left out. */
  promptless = 0;
  readonly tasks = new Set<string>();
  readonly #problems = new Map<string, ProblemCount>();

  addRow(task: string | null, rowNumber: number, problems: readonly CellProblem[]): void {
    this.rows++;
    if (task !== null) this.tasks.add(task);
    if (problems.length > 0) this.incomplete++;
    for (const problem of problems) {
      // Absent and invalid cells are counted separately, because an invalid one may indicate a different scale.
      const key = JSON.stringify([problem.model, problem.what, problem.found === null]);
      const known = this.#problems.get(key);
      if (known) known.count++;
      else this.#problems.set(key, { ...problem, count: 1, firstRow: rowNumber });
    }
  }

  /** One human-readable line per kind of problem; empty when there was none. */
  notes(): string[] {
    const notes = [...this.#problems.values()].map(describe);
    if (this.promptless > 0) notes.push(`${this.promptless} rows have no prompt and were left out`);
    if (this.incomplete > 0) {
      notes.push(
        `${this.incomplete} lines lack a score or a cost for some model (null in the file); evaluation and bench leave them out and count them`,
      );
    }
    return notes;
  }
}

function describe({ model, what, found, count, firstRow }: ProblemCount): string {
  if (found === null) return `${model}: no ${what} in ${count} rows, first in row ${firstRow}`;
  const right = what === 'score' ? 'from 0 to 1' : 'of 0 or more';
  return `${model}: the ${what} is not a number ${right} in ${count} rows, first ${JSON.stringify(found.slice(0, 40))} in row ${firstRow}`;
}
