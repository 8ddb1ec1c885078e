import type { Decision } from '../domain/decision.ts';
import type { FeedbackRequest } from '../domain/selection.ts';
import { AskingRule } from '../routing/asking-rule.ts';
import type { Random } from '../util/random.ts';

/** From the config in force. */
export interface AskingRates {
  /** Share of all answers that are audited. */
  audit: number;
  /** Share of the routed answers to ask about because a rating would teach most. */
  ask: number;
}

/**
 * Chooses the answers whose rating is asked for: by lot, and where a rating would teach most. In this process only.
 */
export class FeedbackRequests {
  readonly #random: Random;
  readonly #rule: AskingRule;

  constructor(random: Random, rule = new AskingRule(random)) {
    this.#random = random;
    this.#rule = rule;
  }

  /**
   * Decides the audit and the asking independently of each other.
   * @returns undefined when the config asks for nothing
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
