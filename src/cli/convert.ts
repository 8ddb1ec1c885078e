import { statSync } from 'node:fs';
import { ConversionReport } from '../offline/convert/conversion-report.ts';
import { convertRouterBench } from '../offline/convert/convert.ts';
import { openTable } from '../offline/convert/open-table.ts';
import { routerBenchLayout } from '../offline/convert/routerbench.ts';
import { systemClock } from '../util/clock.ts';
import { writeJsonLines } from '../util/write-json-lines.ts';
import { refuseToOverwrite } from '../util/write-whole.ts';
import { print, tell } from './print.ts';
import { ProgressLine } from './progress-line.ts';

export interface ConvertOptions {
  /** Default: next to the table. */
  out?: string;
  force?: boolean;
}

/**
 * `mixllm convert routerbench`: converts RouterBench's wide table to recorded outcomes, which evaluate and bench can
 * read.
 */
export async function convertRouterBenchFile(file: string, options: ConvertOptions): Promise<void> {
  const out = options.out ?? `${file.replace(/(\.(csv|parquet))?(\.gz)?$/i, '')}.jsonl.gz`;
  refuseToOverwrite(out, options.force ?? false);
  const table = await openTable(file);
  const { models } = layoutOf(file, table.columns);
  const progress = new ProgressLine(process.stderr, systemClock);
  const report = new ConversionReport();
  const total = table.rowCount === null ? '' : ` of ${table.rowCount.toLocaleString('en')}`;
  await writeJsonLines(out, shown(convertRouterBench(table, report)));
  progress.done();

  async function* shown(rows: AsyncIterable<unknown>) {
    for await (const row of rows) {
      progress.update(`converting: ${report.rows.toLocaleString('en')}${total} rows`);
      yield row;
    }
  }

  for (const note of report.notes()) tell(`note: ${note}`);
  if (report.rows === 0) tell(`note: ${file} has no rows`);
  const size = (statSync(out).size / 2 ** 20).toFixed(1);
  print(`${out}: ${report.rows} queries of ${report.tasks.size} tasks, ${models.length} models, ${size} MB`);
  print(`models: ${models.join(', ')}`);
}

function layoutOf(file: string, columns: readonly string[]) {
  try {
    return routerBenchLayout(columns);
  } catch (error) {
    throw new Error(`${file} is not RouterBench's wide table. ${(error as Error).message}`);
  }
}
