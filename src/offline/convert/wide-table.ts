/** A table in a file, read one row at a time. */
export interface WideTable {
  /** Names of all columns, in order. */
  columns: readonly string[];
  /** Number of rows, or null when it is unknown before all rows have been read. */
  rowCount: number | null;
  /** Reads all rows from the first one. Each has the cells of the given columns, in the given order. */
  rows(columns: readonly string[]): AsyncIterable<readonly unknown[]>;
}
