import { shuffled } from '../../util/random.ts';
import type { EvaluationRow, Predictor } from './predictor.ts';
import { truthOf } from './ridge.ts';
import { matrixOf, type Outlook } from './trade-off.ts';

const NEIGHBOURS = 40;

interface Means {
  quality: number[];
  cost: number[];
}

function meansOf(rows: readonly EvaluationRow[]): Means {
  const mean = (of: (row: EvaluationRow) => readonly number[]) =>
    of(rows[0]).map((_, k) => rows.reduce((sum, row) => sum + of(row)[k], 0) / rows.length);
  return { quality: mean(({ quality }) => quality), cost: mean(({ cost }) => cost) };
}

function outlookOf(means: readonly Means[]): Outlook {
  return { quality: matrixOf(means.map(({ quality }) => quality)), cost: matrixOf(means.map(({ cost }) => cost)) };
}

/** What can be achieved without looking at the queries: random mixes of two models. */
const staticMix: Predictor = {
  name: 'static-mix',
  title: 'random mix of two models',
  isBaseline: true,
  predict({ train, test }) {
    const means = meansOf(train);
    return outlookOf(test.map(() => means));
  },
};

/** What could be achieved by knowing each query's benchmark. Tasks without a training row get the overall means. */
const taskLabel: Predictor = {
  name: 'task-label',
  title: 'true task label',
  isBaseline: true,
  predict({ train, test }) {
    const all = meansOf(train);
    const byTask = new Map([...Map.groupBy(train, ({ task }) => task)].map(([task, rows]) => [task, meansOf(rows)]));
    return outlookOf(test.map(({ task }) => byTask.get(task) ?? all));
  },
};

/** The mean of the training rows with the nearest contexts, by cosine similarity. */
const nearestNeighbours: Predictor = {
  name: 'knn',
  title: `${NEIGHBOURS} nearest neighbours`,
  isBaseline: true,
  predict({ train, test }) {
    const directions = train.map(({ context }) => unit(context));
    return outlookOf(
      test.map(({ context }) => {
        const own = unit(context);
        return meansOf(nearestOf(directions, own).map((i) => train[i]));
      }),
    );
  },
};

/**
 * Indices of the most similar directions, the most similar first, and earlier ones first if equal. Uses insertion,
 * because sorting all of them for every query took minutes for tens of thousands.
 */
function nearestOf(directions: readonly Float64Array[], own: Float64Array): number[] {
  const nearest: number[] = [];
  const similarities: number[] = [];
  for (let i = 0; i < directions.length; i++) {
    const direction = directions[i];
    let similarity = 0;
    for (let k = 0; k < own.length; k++) similarity += direction[k] * own[k];
    if (nearest.length === NEIGHBOURS && similarity <= similarities[NEIGHBOURS - 1]) continue;
    let place = nearest.length;
    while (place > 0 && similarities[place - 1] < similarity) place--;
    nearest.splice(place, 0, i);
    similarities.splice(place, 0, similarity);
    if (nearest.length <= NEIGHBOURS) continue;
    nearest.pop();
    similarities.pop();
  }
  return nearest;
}

/** Leaves out the constant, which is the same for all contexts. */
function unit(context: Float64Array): Float64Array {
  const features = context.subarray(1);
  const length = Math.sqrt(features.reduce((sum, value) => sum + value * value, 0)) || 1;
  return features.map((value) => value / length);
}

/** Knows every outcome. */
const oracle: Predictor = {
  name: 'oracle',
  title: 'oracle (knows every answer)',
  isBaseline: true,
  predict: ({ test }) => truthOf(test),
};

/**
 * The same predictions, assigned to the queries at random. Each model gets as many queries as before, so any lead that
 * remains does not come from choosing per query. The costs match, because each query's predicted costs move together
 * with its predicted qualities.
 */
export function shuffledControl(of: Predictor): Predictor {
  return {
    name: 'shuffled',
    title: `${of.title}, its choices shuffled`,
    isBaseline: true,
    predict(split) {
      const { quality, cost } = of.predict(split);
      const order = shuffled([...Array(quality.rows).keys()], split.random);
      const dealt = ({ rows, width, values }: typeof quality) => ({
        rows,
        width,
        values: Float64Array.from(values, (_, at) => values[order[Math.floor(at / width)] * width + (at % width)]),
      });
      return { quality: dealt(quality), cost: dealt(cost) };
    },
  };
}

export const BASELINES: readonly Predictor[] = [staticMix, taskLabel, nearestNeighbours, oracle];
