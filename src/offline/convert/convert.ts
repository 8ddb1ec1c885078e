import type { RecordedRow } from '../../recorded/recorded-row.ts';
import type { ConversionReport } from './conversion-report.ts';
import { convertRouterBenchRow, routerBenchLayout } from './routerbench.ts';
import type { WideTable } from './wide-table.ts';

/**
 * Converts RouterBench's wide table to lines in our format, one at a time.
 * @param report filled in as rows are converted
 * @throws Error when the table lacks a column
 */
export async function* convertRouterBench(table: WideTable, report: ConversionReport): AsyncGenerator<RecordedRow> {
  const layout = routerBenchLayout(table.columns);
  let number = 0;
  for await (const cells of table.rows(layout.columns)) {
    number++;
    const converted = convertRouterBenchRow(layout, cells, number);
    if (!converted) report.promptless++;
    else {
      report.addRow(converted.row.task ?? null, number, converted.problems);
      yield converted.row;
    }
  }
}
