/**
 * The learner's numbers, chosen among about 900 settings compared on recorded outcomes of real models.
 * Quality is on [0, 1]. A context is a leading 1 followed by standardised features.
 */

export interface CoupledModelOptions {
  /** Variance of one observation around its expectation. */
  noiseVariance: number;
  /** Prior variance of the coefficients that all arms share: of the intercept, and of each slope. */
  sharedVariance: { intercept: number; slope: number };
  /** Prior variance of each arm's own part. */
  ownVariance: { intercept: number; slope: number };
  /** Scale the shared slopes of each arm by its level p, in proportion to p (1 − p), instead of using them in full. */
  levelLoadings?: boolean;
  /**
   * How many observations it takes until what one arm learns reaches the other arms; absent: it does so at once. Meant
   * for a model that learns from every answer, where each decision would otherwise have to solve for all arms again.
   */
  refreshEvery?: number;
}

/**
 * ℓ = p (1 − p) / typical, within these bounds. 0.2 corresponds to p = 0.72, which is near most models of the public
 * benchmarks.
 */
export const LEVEL_LOADING = { typical: 0.2, least: 0.3, most: 1.3 };

const QUALITY_MODEL: CoupledModelOptions = {
  noiseVariance: 0.16,
  sharedVariance: { intercept: 0.01, slope: 1e-3 },
  ownVariance: { intercept: 0.01, slope: 1e-4 },
  levelLoadings: true,
};

/** Own variance for a fleet whose models differ in what they are good at. */
const SPECIALIST_SLOPES = { intercept: 0.01, slope: 1e-3 };
/** Noise of ratings finer than thumbs: stars, a judge's grades. */
const FINE_NOISE = 0.05;
/**
 * For models as similar to each other as in the default, but with finer ratings: scales every variance of the default
 * to the finer noise.
 */
const FINE_SHARE = FINE_NOISE / QUALITY_MODEL.noiseVariance;

/**
 * The default comes first. Another candidate replaces it when its evidence is higher by `EVIDENCE_MARGIN` (in nats).
 */
export const QUALITY_MODELS: readonly CoupledModelOptions[] = [
  QUALITY_MODEL,
  { ...QUALITY_MODEL, ownVariance: SPECIALIST_SLOPES },
  { ...QUALITY_MODEL, noiseVariance: FINE_NOISE, ownVariance: SPECIALIST_SLOPES },
  {
    ...QUALITY_MODEL,
    noiseVariance: FINE_NOISE,
    sharedVariance: scaled(QUALITY_MODEL.sharedVariance, FINE_SHARE),
    ownVariance: scaled(QUALITY_MODEL.ownVariance, FINE_SHARE),
  },
];
export const EVIDENCE_MARGIN = 3;

/** For the natural logarithm of output tokens. */
export const LENGTH_MODEL: CoupledModelOptions = {
  noiseVariance: 0.25,
  sharedVariance: { intercept: 0.03, slope: 0.03 },
  ownVariance: { intercept: 0.25, slope: 0.01 },
  refreshEvery: 25,
};

/** Prior mean quality of an arm: level + slope · (its log list price, standardised over the arms). */
export const PRIOR_QUALITY = { level: 0.85, perLogPriceSd: 0.05 };

/**
 * The share of a tier's slopes in public data that its models are expected to have. A larger share does harm
 * (docs/priors.md).
 */
export const TIER_SLOPE_SHARE = 0.25;

/** Prior mean of log output tokens, for an answer of 300 tokens. The first few answers move it. */
export const PRIOR_LOG_LENGTH = Math.log(300);

/**
 * The running ratio of actual to predicted output tokens starts as if it had been 1 for `priorCount` answers. The newest
 * `mostCount` count, because the first ones were predicted from the prior. Each ratio is capped.
 */
export const LENGTH_CORRECTION = { priorCount: 5, mostCount: 50, cap: 20 };

/** Thompson sampling. The widths are in standard deviations of the predicted quality. */
export const THOMPSON = {
  /** For an arm with few ratings, or with few since a drift alarm reset its level. */
  coldWidth: 0.4,
  /** For an arm with at least `warmAfter` ratings. */
  warmWidth: 0.2,
  warmAfter: 50,
  /** Draws are clipped to ± this many standard normal units. */
  clip: 2,
  /** Probability of drawing from the plausible arms instead, and the offset in the cost weighting of that draw. */
  floor: 0.005,
  floorCostOffset: 0.05,
  /** An arm is plausible when its quality plus this many standard deviations could win. */
  plausibleSds: 2,
};

/** How an arm starts that is added when other arms are already known. */
export const LAUNCH = {
  /** Prior variance of its own intercept. */
  interceptVariance: 0.05,
  /** Width of its Thompson draw, for its first `wideAnswers` answers. */
  width: 0.8,
  wideAnswers: 200,
  /** The arm gets this many forced tries, whatever its score, each with this probability per decision. */
  tries: 30,
  tryProbability: 0.2,
};

/**
 * Drift alarm: CUSUM on standardised residuals. `remains`: the weight that past ratings keep, except for the level.
 */
export const DRIFT = { slack: 0.15, threshold: 15, remains: 0.5 };

/** How the drift monitor treats residuals. */
export const DRIFT_RESIDUALS = {
  /** Lower bound on the noise variance of a rating. */
  leastNoiseVariance: FINE_NOISE,
  /**
   * Residuals are clipped at this many standard deviations. A thumbs-down on a good model is rare and far off; clipping
   * at 2 would leave the mean residual so far above 0 that a decline of a good model would be found late.
   */
  most: 2.5,
  /**
   * What affects the other arms equally is estimated by their mean residual over about this many ratings of all arms …
   */
  memory: 200,
  /** … shrunk as if there were this many additional residuals of 0. */
  priorCount: 20,
};

/** κ: all ratings from before a drift alarm together say as much about the arm's current level as this many ratings. */
export const PAST_LEVEL_PRECISION = 4;

/**
 * The share of an arm's state, including its level, that is kept when its upstream model moves to a new snapshot.
 * Snapshots of one model are usually alike. The value was not tuned by measurements.
 */
export const SNAPSHOT_REMAINS = 0.25;

/** The paper's exploration bonus is α · xᵀA⁻¹x (arXiv 2502.18482). */
export const UCB_ALPHA = 0.1;

function scaled({ intercept, slope }: CoupledModelOptions['ownVariance'], share: number) {
  return { intercept: share * intercept, slope: share * slope };
}
