import type { OnlineData } from '../online-data.ts';

/** Figures of each way of choosing, by name: shares (fractions of 1), or seconds when the name ends in `, s`. */
export type Figures = Record<string, Record<string, number | null>>;

/** Results on one random split or order of one data set. */
export interface Measurement {
  figures: Figures;
  /** Per way, the values along the experiment's plot; null where there is none. */
  curves: Record<string, (number | null)[]>;
}

/** With fewer models to choose from, only the trade-off is measured. */
export const MIN_MODELS = 4;

/** How an experiment's curves are drawn. */
export type PlotKind =
  | { kind: 'trade-off' }
  /** Value i is the mean of the i-th hundred queries. */
  | { kind: 'per-hundred'; label: string; scale: number };

/** One experiment of MixLLM's paper (arXiv 2502.18482), on recorded outcomes. */
export interface Experiment {
  /** Its name in file names and for `--experiments`. */
  name: string;
  title: string;
  /** What is compared, and how; Markdown. */
  protocol: string;
  /** What the results show, and what they do not. */
  reading: string;
  /** The figure in which ways are compared, split by split, and the way that each one is compared with. */
  lead: { figure: string; over(way: string): string };
  plot: PlotKind | null;
  /** How many splits or orders to run when `asked` were requested; slow experiments run fewer. */
  seeds(asked: number): number;
  /**
   * @returns null when the data set is unsuitable: too few models, tasks or queries
   */
  measure(data: OnlineData, seed: number): Measurement | null;
}
