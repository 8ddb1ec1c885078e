/** A table in a file, read a row at a time. */
export interface WideTable {
  /** Names of all columns, in their order. */
  columns: readonly string[];
  /** How many rows there are, or null where only reading them all would tell. */
  rowCount: number | null;
  /** Reads the rows from the first: of each the cells of the given columns, in the order given. */
  rows(columns: readonly string[]): AsyncIterable<readonly unknown[]>;
}
