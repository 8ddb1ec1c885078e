import type { OnlineData } from '../online/stream.ts';

/** Figures of each way of doing things, by the name of the figure: shares (fractions of 1), or seconds where it ends in `, s`. */
export type Figures = Record<string, Record<string, number | null>>;

/** What one random split or order of one data set gave. */
export interface Measurement {
  figures: Figures;
  /** Per way the values along the experiment's plot; null where there is none. */
  curves: Record<string, (number | null)[]>;
}

/** Where fewer models can be chosen from, only the trade-off is measured. */
export const MIN_MODELS = 4;

/** How an experiment's curves are drawn. */
export type PlotKind =
  | { kind: 'trade-off' }
  /** Value i is the mean of the i-th hundred of queries. */
  | { kind: 'per-hundred'; label: string; scale: number };

/** One experiment of MixLLM's paper (arXiv 2502.18482), on recorded outcomes. */
export interface Experiment {
  /** In file names and after `--experiments`. */
  name: string;
  title: string;
  /** What is compared, and how; Markdown. */
  protocol: string;
  /** What it shows, and what it does not. */
  reading: string;
  /** The figure that ways are compared in, split by split, and the way that each is compared with. */
  lead: { figure: string; over(way: string): string };
  plot: PlotKind | null;
  /** Splits or orders out of so many asked for: experiments that take long are content with fewer. */
  seeds(asked: number): number;
  /** @returns null where the data set does not lend itself to it: too few models, tasks or queries */
  measure(data: OnlineData, seed: number): Measurement | null;
}
