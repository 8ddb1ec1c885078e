import { printable } from './print.ts';

export type Align = 'left' | 'right';

export interface TableOptions {
  /** By column. Default: numeric columns are right-aligned, others left-aligned. */
  align?: readonly Align[];
  /** Width of the terminal in columns (default: 100). Texts in left-aligned columns are shortened to fit. */
  width?: number;
}

const GAP = '  ';
const MIN_TEXT_WIDTH = 8;

/**
 * A plain table without a frame, one line per row and a dashed line below the headers; ends in a line break. Numbers
 * are passed as text, rounded by the caller; empty cells are fine.
 */
export function renderTable(
  foreignHeaders: readonly string[],
  foreignRows: readonly (readonly string[])[],
  options: TableOptions = {},
): string {
  const [headers, ...rows] = [foreignHeaders, ...foreignRows].map((cells) => cells.map(onOneLine));
  const align = headers.map((_, column) => options.align?.[column] ?? usualAlign(rows, column));
  const widths = narrow(
    headers.map((header, column) => Math.max(...[header, ...rows.map((row) => row[column] ?? '')].map(lengthOf))),
    align,
    options.width ?? 100,
  );
  const line = (cells: readonly string[]) =>
    headers
      .map((_, column) => pad(cells[column] ?? '', widths[column], align[column]))
      .join(GAP)
      .trimEnd();
  const dashes = widths.map((width) => '-'.repeat(width)).join(GAP);
  return `${[line(headers), dashes, ...rows.map(line)].join('\n')}\n`;
}

/** Escapes line breaks; applied before the columns are measured. */
function onOneLine(cell: string): string {
  return printable(cell).replaceAll('\n', '\\n');
}

function usualAlign(rows: readonly (readonly string[])[], column: number): Align {
  const cells = rows.map((row) => row[column] ?? '').filter((cell) => cell !== '');
  return cells.length > 0 && cells.every((cell) => /^(-|[-+−]?[$€]?[\d.,]+( ?(%|ms|s|x|×|¢))?)$/.test(cell))
    ? 'right'
    : 'left';
}

/** Narrows the widest text column step by step until the line fits or nothing more can be taken away. */
function narrow(widths: readonly number[], align: readonly Align[], limit: number): number[] {
  const result = [...widths];
  const total = () => result.reduce((sum, width) => sum + width, GAP.length * (result.length - 1));
  while (total() > limit) {
    const texts = result.map((width, column) => (align[column] === 'left' ? width : 0));
    const widest = Math.max(...texts);
    if (widest <= MIN_TEXT_WIDTH) break;
    result[texts.indexOf(widest)]--;
  }
  return result;
}

function pad(text: string, width: number, align: Align): string {
  const shown = shorten(text, width);
  const blanks = ' '.repeat(width - lengthOf(shown));
  return align === 'right' ? blanks + shown : shown + blanks;
}

/**
 * The text itself, or its beginning and an ellipsis.
 * @param width characters, at least 1
 */
export function shorten(text: string, width: number): string {
  return lengthOf(text) <= width
    ? text
    : `${Array.from(text)
        .slice(0, width - 1)
        .join('')}…`;
}

function lengthOf(text: string): number {
  return Array.from(text).length;
}
