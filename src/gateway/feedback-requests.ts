import type { Decision } from '../domain/decision.ts';
import type { FeedbackRequest } from '../domain/selection.ts';
import { AskingRule } from '../routing/asking-rule.ts';
import type { Random } from '../util/random.ts';

/** By the config in force. */
export interface AskingRates {
  /** Share of all answers that are audited. */
  audit: number;
  /** Share of the routed answers whose rating would teach most. */
  ask: number;
}

/** Chooses the answers whose rating is asked for: by lot, and where a rating would teach most. In one process. */
export class FeedbackRequests {
  readonly #random: Random;
  readonly #rule: AskingRule;

  constructor(random: Random, rule = new AskingRule(random)) {
    this.#random = random;
    this.#rule = rule;
  }

  /** Either is settled without the other. @returns undefined where the config asks for nothing */
  of(decision: Decision, { audit, ask }: AskingRates): FeedbackRequest | undefined {
    if (audit === 0 && ask === 0) return undefined;
    return {
      audit: audit > 0 && this.#random.uniform() < audit,
      auditProbability: audit,
      teaches: ask > 0 && this.#rule.chooses(decision, ask),
    };
  }
}
