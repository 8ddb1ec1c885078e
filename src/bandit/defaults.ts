/**
 * The learner's numbers, from about 900 compared settings on recorded outcomes of real models.
 * Quality is on [0, 1]; contexts have a leading 1 and otherwise standardised entries.
 */

export interface CoupledModelOptions {
  /** Variance of one observation around its expectation. */
  noiseVariance: number;
  /** Prior variance of the part of the coefficients that all arms share: of the intercept and of each slope. */
  sharedVariance: { intercept: number; slope: number };
  /** Prior variance of each arm's own part. */
  ownVariance: { intercept: number; slope: number };
  /** Whether an arm takes the shared slopes by its level p, in proportion to p (1 − p), instead of whole. */
  levelLoadings?: boolean;
  /**
   * With every so many observations what one arm has learned reaches the others; absent: at once. For a model that
   * learns with every answer: else every decision would solve for all arms anew.
   */
  refreshEvery?: number;
}

/** ℓ = p (1 − p) / typical, within these bounds; 0.2 is p = 0.72, where most models of the public benchmarks lie. */
export const LEVEL_LOADING = { typical: 0.2, least: 0.3, most: 1.3 };

const QUALITY_MODEL: CoupledModelOptions = {
  noiseVariance: 0.16,
  sharedVariance: { intercept: 0.01, slope: 1e-3 },
  ownVariance: { intercept: 0.01, slope: 1e-4 },
  levelLoadings: true,
};

/** Slopes for a fleet whose models differ in what they are good at. */
const SPECIALIST_SLOPES = { intercept: 0.01, slope: 1e-3 };
/** Ratings finer than thumbs: stars, a judge's grades. */
const FINE_NOISE = 0.05;
/** Models that are as alike as the default has it, known by finer ratings: every variance of it, brought to their scale. */
const FINE_SHARE = FINE_NOISE / QUALITY_MODEL.noiseVariance;

/** The default first; the others take its place where the ratings speak for them by the margin (in nats). */
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

/** On the natural logarithm of output tokens. */
export const LENGTH_MODEL: CoupledModelOptions = {
  noiseVariance: 0.25,
  sharedVariance: { intercept: 0.03, slope: 0.03 },
  ownVariance: { intercept: 0.25, slope: 0.01 },
  refreshEvery: 25,
};

/** Prior mean quality of an arm: level + slope · (its log list price, standardised over the arms). */
export const PRIOR_QUALITY = { level: 0.85, perLogPriceSd: 0.05 };

/** How much of the slopes that public data show in a tier its models are expected to have: more does harm (docs/priors.md). */
export const TIER_SLOPE_SHARE = 0.25;

/** Prior mean of log output tokens: an answer of 300 tokens. The first few answers move it. */
export const PRIOR_LOG_LENGTH = Math.log(300);

/** The running mean of actual / predicted output tokens starts as this many observations of 1, each capped. */
export const LENGTH_CORRECTION = { priorCount: 5, cap: 20 };

/** Width of the Thompson draw, in standard deviations of the predicted quality. */
export const THOMPSON = {
  /** For an arm with few ratings, or few since its level was let go. */
  coldWidth: 0.4,
  /** Once the arm has `warmAfter` ratings. */
  warmWidth: 0.2,
  warmAfter: 50,
  /** Draws are clipped to ± this many standard normal units. */
  clip: 2,
  /** Probability with which an arm is drawn from the plausible ones instead, and the offset of its cost weighting. */
  floor: 0.005,
  floorCostOffset: 0.05,
  /** An arm is plausible when its quality plus this many standard deviations could win. */
  plausibleSds: 2,
};

/** How an arm is taken in that comes when others are already known. */
export const LAUNCH = {
  /** Prior variance of its own intercept. */
  interceptVariance: 0.05,
  /** Width of its Thompson draw, for so many answers. */
  width: 0.8,
  wideAnswers: 200,
  /** So many times it is tried whatever its score, with this probability per decision. */
  tries: 30,
  tryProbability: 0.2,
};

/** Drift alarm: CUSUM on standardised residuals, and what then remains of what the arm has learned, but for its level. */
export const DRIFT = { slack: 0.15, threshold: 15, remains: 0.5 };

/** What residuals are to the drift alarms. */
export const DRIFT_RESIDUALS = {
  /** A rating's noise is taken for at least this. */
  leastNoiseVariance: FINE_NOISE,
  /**
   * Standard deviations that one rating counts at most: thumbs down on a good model are rare, and far off. At 2, their mean
   * would be so much above 0 that a fall of a good model were found late.
   */
  most: 2.5,
  /** What befalls the other arms alike is their mean residual, over about so many ratings of all … */
  memory: 200,
  /** … and as if there were so many residuals of 0 besides. */
  priorCount: 20,
};

/** κ: of an arm's level, what it learned before an alarm of drift says as much as so many ratings. */
export const PAST_LEVEL_PRECISION = 4;

/**
 * What remains of an arm's state when its upstream model is a new snapshot, its level included: snapshots of one model are
 * alike as a rule. Not measured.
 */
export const SNAPSHOT_REMAINS = 0.25;

/** The paper's exploration bonus is α · xᵀA⁻¹x (arXiv 2502.18482). */
export const UCB_ALPHA = 0.1;

function scaled({ intercept, slope }: CoupledModelOptions['ownVariance'], share: number) {
  return { intercept: share * intercept, slope: share * slope };
}
