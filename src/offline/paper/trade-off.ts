import { type Measurement as Judged, measureSplit, splitOf } from '../evaluate/measure-split.ts';
import type { Experiment } from './experiment.ts';

/** Neighbours are searched pair by pair, which is too slow for more queries than this. */
const MAX_QUERIES_FOR_NEIGHBOURS = 5000;

const SHARE = 0.8;

/** Curves and points of `mixllm evaluate`, with their names in the report. */
const WAYS: Record<string, string> = {
  mixllm: 'MixLLM Gateway',
  'static-mix': 'random mix of two models',
  'task-label': 'true task label',
  knn: '40 nearest neighbours',
  shuffled: 'MixLLM Gateway, its choices shuffled',
  oracle: 'oracle (knows every answer)',
  'best-single': 'always the best model',
  cheapest: 'always the cheapest model',
  random: 'any model at random',
};

export const QUALITY_AT_COST = 'quality at 24.18 % of the cost';

export function figuresOfSplit({ qualityAtCost, costForQuality, aiq, twoModels }: Judged) {
  return {
    [QUALITY_AT_COST]: qualityAtCost,
    'cost for 97.25 % of the quality': costForQuality,
    AIQ: aiq,
    ...(twoModels && { APGR: twoModels.apgr, CPT50: twoModels.cpt50, CPT80: twoModels.cpt80 }),
  };
}

export const tradeOff: Experiment = {
  name: 'trade-off',
  title: 'Main trade-off',
  protocol:
    'Trained on 80 % of the queries, with every outcome known; judged on the rest as the price of money is swept. ' +
    'Shares are of the quality and cost of always using the best single model. This is `mixllm evaluate`. ' +
    "Two-model sets also have RouteLLM's figures; neighbours are left out of sets with more than " +
    `${MAX_QUERIES_FOR_NEIGHBOURS} queries.`,
  reading:
    'Shows how much of the possible gain is in the predictions: whatever lies above the random mix and the ' +
    'shuffled control comes from the query itself. Does not show learning: here every outcome of the training ' +
    'queries is known. The costs scatter widely from split to split; where not all splits reached one, the mean ' +
    'is over those that did.',
  lead: { figure: QUALITY_AT_COST, over: () => WAYS['static-mix'] },
  plot: { kind: 'trade-off' },
  seeds: (asked) => asked,
  measure(data, seed) {
    const few = data.queries.length <= MAX_QUERIES_FOR_NEIGHBOURS;
    const names = Object.keys(WAYS).filter((name) => name !== 'knn' || few);
    const measured = Object.entries(measureSplit(splitOf(data, seed, SHARE), names));
    return {
      figures: Object.fromEntries(measured.map(([name, result]) => [WAYS[name], figuresOfSplit(result)])),
      curves: Object.fromEntries(
        measured.flatMap(([name, { curve, point }]) => (point ? [] : [[WAYS[name], curve] as const])),
      ),
    };
  },
};
