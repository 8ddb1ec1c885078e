import { derivedSeed, seededRandom, shuffled } from '../../util/random.ts';
import { mean } from '../../util/statistics.ts';
import type { EvaluationRow } from '../evaluate/predictor.ts';
import type { OnlineData } from '../online-data.ts';
import { type Experiment, MIN_MODELS } from './experiment.ts';
import { PolicyDriver, streamThrough } from './policy-driver.ts';
import { bestValue, figuresOf, perHundred, rowsOf, type Scale, scaleOf, UTILITY, utilityOf } from './scoring.ts';

const NEWCOMERS = 2;

const FROM_START = 'present from the start';
const MIDWAY = 'join halfway';
const NEVER = 'never present';

export const newModels: Experiment = {
  name: 'new-models',
  title: 'Two models join midway',
  protocol:
    'All queries in random order, from a cold start, each answer graded before the next decision. Two models are ' +
    'missing from the first half of the stream: those with the best mean utility, known with hindsight, so that ' +
    'their absence costs most. At one weight (ν = 0.1). The figures are for the second half, as shares of what ' +
    'the best of the *other* models scored and cost on it, so they may exceed 100 %.',
  reading:
    'Shows how soon newcomers get the traffic that they are worth when only their list price is known. Compare ' +
    '*join* with *from the start*, which has half a stream more of their ratings.',
  lead: { figure: UTILITY, over: () => FROM_START },
  plot: { kind: 'per-hundred', label: "↑ utility per 100 queries, % of the best other model's quality", scale: 100 },
  seeds: (asked) => Math.ceil(asked / 4),
  measure(data, seed) {
    if (data.models.length < MIN_MODELS) return null;
    const rows = shuffled(rowsOf(data), seededRandom(derivedSeed(seed, 0)));
    const half = Math.floor(rows.length / 2);
    const all = [...data.models.keys()];
    const newcomers = bestValue(rows, scaleOf(rows)).slice(0, NEWCOMERS);
    const others = all.filter((model) => !newcomers.includes(model));
    // The cost unit comes from a model that is always present; otherwise the price of money would differ between the
    // runs.
    const scale = scaleOf(rows.slice(half), others);
    const runs = {
      [FROM_START]: run(data, rows, seed, scale, () => all),
      [MIDWAY]: run(data, rows, seed, scale, (position) => (position < half ? others : all)),
      [NEVER]: run(data, rows, seed, scale, () => others),
    };
    return {
      figures: mapValues(runs, ({ models, gains }) => ({
        ...figuresOf(gains.slice(half), scale),
        "the two models' share of the queries": mean(models.slice(half).map((m) => Number(newcomers.includes(m)))),
      })),
      curves: mapValues(runs, ({ gains }) => perHundred(gains.map((gain) => utilityOf(gain, scale)))),
    };
  },
};

function run(
  data: OnlineData,
  rows: readonly EvaluationRow[],
  seed: number,
  scale: Scale,
  modelsAt: (position: number) => readonly number[],
) {
  const driver = new PolicyDriver(data, seed, scale.best);
  return streamThrough(driver, rows, scale, { feedback: 'grades', seed, modelsAt });
}

function mapValues<From, To>(of: Record<string, From>, to: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(of).map(([name, value]) => [name, to(value)]));
}
