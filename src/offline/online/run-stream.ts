import type { LinearPolicy } from '../../bandit/linear-policy.ts';
import type { PolicyDecision } from '../../bandit/policy.ts';
import type { Reliability } from '../../domain/reliability.ts';
import { AskingRule } from '../../routing/asking-rule.ts';
import { weightOfNu } from '../../routing/budget.ts';
import type { DecidedArms } from '../../routing/rating-value.ts';
import { RoutingBudgetLedger } from '../../routing/routing-budget-ledger.ts';
import { derivedSeed, drawIndex, type Random, seededRandom } from '../../util/random.ts';
import { PURPOSE, type Stream, type StreamQuery, utility } from './stream.ts';
import { StreamLearner, type StreamLearnerOptions } from './stream-learner.ts';

/** How ratings arrive. */
export interface Ratings {
  /** Requests between an answer and its rating. */
  delay: number;
  /** Share of the answers that are rated. */
  share: number;
  /** Which answers are rated: random ones, or those that the gateway's rule would ask about. */
  asked: 'lot' | 'rule';
  /** `grades`: the recorded quality; `thumbs`: up with a probability equal to the recorded quality. */
  kind: 'grades' | 'thumbs';
  /** Share of the thumbs that are inverted. */
  flipped: number;
  /** Error rates that the learner assumes of the raters; null: ratings are taken at face value. */
  reliability: Reliability | null;
}

/** A model that is not present at the start. */
export interface Newcomer {
  model: number;
  /** Position of the query at which it is added. */
  from: number;
  /** Whether it is launched as in production, or merely added. */
  launched: boolean;
}

export interface StreamSettings extends StreamLearnerOptions {
  /** Number of queries at the start that all models answer and are graded on; they are not scored. */
  labelled: number;
  /** Every model's outcome is seen on every query. */
  seesAll: boolean;
  ratings: Ratings;
  newcomer: Newcomer | null;
  /** Target for the mean USD per request; null: each query has its own price of money. */
  budgetUsd: number | null;
}

export const PLAIN: StreamSettings = {
  kind: 'production',
  driftAlarms: true,
  guard: null,
  labelled: 0,
  seesAll: false,
  ratings: { delay: 0, share: 1, asked: 'lot', kind: 'grades', flipped: 0, reliability: null },
  newcomer: null,
  budgetUsd: null,
};

/** The size of a warm start: this many queries at the start are answered by all models and graded. */
export const LABELLED = 50;

/**
 * @throws Error that says how many queries the stream has
 */
export function requireQueries({ queries }: Stream, least: number): void {
  if (queries.length < least) {
    throw new Error(`The stream, 80 % of the file, has ${queries.length} queries, but at least ${least} are needed.`);
  }
}

export interface StreamResult {
  /** Position of the model that answered each scored query, and the utility of its answer in percent. */
  models: number[];
  utilities: number[];
  /** The model of each drift alarm. */
  alarms: readonly number[];
  /** What was learned by the end of the stream. */
  policy: LinearPolicy;
}

/** The weight from which a budget starts, corresponding to a price of money of 0.1. */
const FIRST_WEIGHT = weightOfNu(0.1);

/** Runs a stream through a learner, following the protocol of the settings. */
export function runStream(stream: Stream, settings: StreamSettings): StreamResult {
  const randomFor = (purpose: number) => seededRandom(derivedSeed(stream.seed, purpose));
  const learner = new StreamLearner(settings, stream, randomFor(PURPOSE.choices));
  const rater = new Rater(settings.ratings, learner, randomFor(PURPOSE.raters));
  const { newcomer, budgetUsd } = settings;
  const all = [...stream.models.keys()];
  let present = newcomer ? all.filter((model) => model !== newcomer.model) : all;
  const ledger = new RoutingBudgetLedger();
  const result: StreamResult = { models: [], utilities: [], alarms: learner.alarms, policy: learner.policy };
  stream.queries.forEach((query, position) => {
    rater.deliver(position);
    if (position === newcomer?.from) {
      if (newcomer.launched) learner.launch(newcomer.model, present);
      present = all;
    }
    const nu = budgetUsd === null ? query.nu : ledger.nu(FIRST_WEIGHT);
    const made = learner.decide(query, nu, present);
    if (position < settings.labelled || settings.seesAll) {
      for (const model of present) {
        learner.learnAnswer(query, model, made);
        learner.learnRating(query, model, query.quality[model]);
      }
    }
    if (position < settings.labelled) return;
    const model = stream.models.indexOf(made.assessments[made.chosen].arm);
    result.models.push(model);
    result.utilities.push(utility(stream, query, model));
    if (budgetUsd !== null) {
      // Requests do not overlap here, so a step by the predicted cost followed by its correction would equal this one
      // step.
      const request = { targetUsd: budgetUsd, weight: weightOfNu(nu), predictedUsd: null };
      ledger.spent(String(position), 0, query.cost[model], request);
    }
    if (settings.seesAll) return;
    learner.learnAnswer(query, model, made);
    rater.answered(position, query, model, () => explained(made, nu, learner.policy));
  });
  return result;
}

/** Utility per query of always using the best single model, and below, of the expectation over a random model. */
export function alwaysBest(stream: Stream): number[] {
  return stream.queries.map((query) => utility(stream, query, stream.reference));
}

export function anyAtRandom(stream: Stream): number[] {
  return stream.queries.map((query) => {
    const sum = query.quality.reduce((total, _, model) => total + utility(stream, query, model), 0);
    return sum / query.quality.length;
  });
}

/** The decision in the form in which the gateway explains it. */
function explained({ assessments, chosen }: PolicyDecision, nu: number, policy: LinearPolicy): DecidedArms {
  return {
    arm: assessments[chosen].arm,
    weight: 1 / (1 + nu),
    arms: assessments.map((arm) => ({ ...arm, excluded: arm.keptOut, ratings: policy.ratingsOf(arm.arm) })),
  };
}

/** Simulated raters: late, infrequent, coarse or wrong, according to the settings. */
class Rater {
  readonly #ratings: Ratings;
  readonly #learner: StreamLearner;
  readonly #random: Random;
  readonly #rule: AskingRule;
  readonly #waiting: { due: number; query: StreamQuery; model: number; reward: number }[] = [];

  constructor(ratings: Ratings, learner: StreamLearner, random: Random) {
    this.#ratings = ratings;
    this.#learner = learner;
    this.#random = random;
    this.#rule = new AskingRule(random);
  }

  answered(position: number, query: StreamQuery, model: number, decision: () => DecidedArms): void {
    const { delay, share, asked } = this.#ratings;
    if (asked === 'rule' ? !this.#rule.chooses(decision(), share) : this.#random.uniform() >= share) return;
    this.#waiting.push({ due: position + 1 + delay, query, model, reward: this.#reward(query.quality[model]) });
  }

  /** Delivers the ratings that are due before the query at this position. */
  deliver(position: number): void {
    for (let next = this.#waiting[0]; next && next.due <= position; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#learner.learnRating(next.query, next.model, next.reward, this.#ratings.reliability);
    }
  }

  #reward(quality: number): number {
    const { kind, flipped } = this.#ratings;
    if (kind === 'grades') return quality;
    const thumb = drawIndex([1 - quality, quality], this.#random);
    return drawIndex([1 - flipped, flipped], this.#random) === 1 ? 1 - thumb : thumb;
  }
}
