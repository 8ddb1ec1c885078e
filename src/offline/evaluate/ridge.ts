import { CholeskyDecomposition, Matrix as Dense } from 'ml-matrix';
import type { EvaluationRow, Predictor, Split } from './predictor.ts';
import { type Matrix, matrixOf, type Outlook } from './trade-off.ts';

/** Penalty of the ridge regression of log costs, as in the reference. */
const COST_PENALTY = 30;
/** A free answer counts as this many USD, because a cost of 0 has no logarithm. */
const MIN_COST = 1e-9;

/** Ridge regression with an unpenalised intercept, for several targets at once. */
export class Ridge {
  readonly #centre: Float64Array;
  readonly #means: number[];
  /** dimensions × targets */
  readonly coefficients: Dense;

  /**
   * @param contexts n × d
   * @param targets n × targets
   * @param penalty α of α ‖β‖²
   */
  constructor(contexts: readonly Float64Array[], targets: readonly (readonly number[])[], penalty: number) {
    this.#centre = Float64Array.from(contexts[0], (_, k) => contexts.reduce((s, x) => s + x[k], 0) / contexts.length);
    this.#means = targets[0].map((_, k) => targets.reduce((s, y) => s + y[k], 0) / targets.length);
    const x = new Dense(contexts.map((context) => Array.from(context, (value, k) => value - this.#centre[k])));
    const y = new Dense(targets.map((target) => target.map((value, k) => value - this.#means[k])));
    const gram = x.transpose().mmul(x).add(Dense.eye(x.columns).mul(penalty));
    this.coefficients = new CholeskyDecomposition(gram).solve(x.transpose().mmul(y));
  }

  predict(context: Float64Array): number[] {
    return this.#means.map((mean, target) => {
      let sum = mean;
      for (let k = 0; k < context.length; k++) {
        sum += (context[k] - this.#centre[k]) * this.coefficients.get(k, target);
      }
      return sum;
    });
  }
}

/**
 * The reference's batch predictors (lexical_lda.py): ridge regression on quality, and on log cost with its bias
 * corrected.
 */
export function ridgePredictor(penalty: number): Predictor {
  return {
    name: `ridge-${penalty}`,
    title: `ridge regression, α = ${penalty}`,
    isBaseline: false,
    predict: (split) => ({ quality: ridgeQualities(split, penalty), cost: ridgeCosts(split) }),
  };
}

function ridgeQualities({ train, test }: Split, penalty: number): Matrix {
  const model = new Ridge(contextsOf(train), qualitiesOf(train), penalty);
  return matrixOf(test.map(({ context }) => model.predict(context)));
}

/** exp of the predicted logarithm, scaled per model so that its mean over the training rows is the mean cost. */
function ridgeCosts({ models, train, test }: Split): Matrix {
  const logs = train.map(({ cost }) => cost.map((value) => Math.log(Math.max(MIN_COST, value))));
  const model = new Ridge(contextsOf(train), logs, COST_PENALTY);
  const fitted = train.map(({ context }) => model.predict(context).map(Math.exp));
  const scale = models.map((_, k) => {
    return train.reduce((sum, { cost }) => sum + cost[k], 0) / fitted.reduce((sum, row) => sum + row[k], 0);
  });
  return matrixOf(test.map(({ context }) => model.predict(context).map((log, k) => Math.exp(log) * scale[k])));
}

/**
 * Ridge regression whose slopes, a matrix of dimensions × models, are projected onto their two leading singular
 * directions, because what models have in common is mostly how hard they find a query.
 */
export const rankTwoPredictor: Predictor = {
  name: 'rank-2',
  title: 'ridge, α = 1000, slopes of rank 2',
  isBaseline: false,
  predict(split) {
    const model = new Ridge(contextsOf(split.train), qualitiesOf(split.train), 1000);
    keepLeadingDirections(model.coefficients, 2);
    return { quality: matrixOf(split.test.map(({ context }) => model.predict(context))), cost: ridgeCosts(split) };
  },
};

/** B ← B V Vᵀ, with V the leading right singular vectors: the eigenvectors of BᵀB with the largest eigenvalues. */
function keepLeadingDirections(slopes: Dense, rank: number): void {
  const rest = slopes.clone();
  const kept = Dense.zeros(slopes.rows, slopes.columns);
  for (let direction = 0; direction < rank; direction++) {
    let v = Dense.ones(slopes.columns, 1).mul(1 / Math.sqrt(slopes.columns));
    for (let step = 0; step < 200; step++) {
      v = rest.transpose().mmul(rest.mmul(v));
      v.mul(1 / (v.norm() || 1));
    }
    const part = rest.mmul(v).mmul(v.transpose());
    kept.add(part);
    rest.sub(part);
  }
  for (let row = 0; row < slopes.rows; row++) slopes.setRow(row, kept.getRow(row));
}

function contextsOf(rows: readonly EvaluationRow[]): Float64Array[] {
  return rows.map(({ context }) => context);
}

function qualitiesOf(rows: readonly EvaluationRow[]): (readonly number[])[] {
  return rows.map(({ quality }) => quality);
}

export function truthOf(rows: readonly EvaluationRow[]): Outlook {
  return { quality: matrixOf(rows.map(({ quality }) => quality)), cost: matrixOf(rows.map(({ cost }) => cost)) };
}
