import type { Decision } from '../domain/decision.ts';
import type { FeedbackRequest } from '../domain/selection.ts';
import { AskingRule } from '../routing/asking-rule.ts';
import type { Random } from '../util/random.ts';

/** From the current config. */
export interface AskingRates {
  /** Share of all answers that are audited. */
  audit: number;
  /** Share of the routed answers for which a rating is requested because it would teach the most. */
  ask: number;
}

/**
 * Chooses the answers for which a rating is requested: at random, and where a rating would teach the most. Considers
 * only the answers of this process.
 */
export class FeedbackRequests {
  readonly #random: Random;
  readonly #rule: AskingRule;

  constructor(random: Random, rule = new AskingRule(random)) {
    this.#random = random;
    this.#rule = rule;
  }

  /**
   * Decides on the audit and on asking independently of each other.
   * @returns undefined when the config requests no ratings
   */
  of(decision: Decision, { audit, ask }: AskingRates): FeedbackRequest | undefined {
    if (audit === 0 && ask === 0) return undefined;
    return {
      audit: audit > 0 && this.#random.uniform() < audit,
      auditProbability: audit,
      teaches: ask > 0 && this.#rule.chooses(decision, ask),
    };
  }
}
