import type { FeedbackRequest } from './selection.ts';

/** How one arm looked when a decision was made. Predictions are null for an arm that was left out. */
export interface ArmExplanation {
  arm: string;
  provider: string;
  /** Why the arm could not serve the request, in words; null for a candidate. */
  excluded: string | null;
  /**
   * Excluded because of a pause that its upstream asked for: it may stand in for others once the pause is over. Absent
   * or null: no.
   */
  paused?: true | null;
  /**
   * The target that excluded the arm after its prediction; null: none. Absent in events from before it was recorded.
   */
  keptOut?: 'quality' | 'cost' | null;
  /** Predicted quality on [0, 1], its standard deviation, and the value after exploration. */
  quality: number | null;
  qualitySd: number | null;
  exploredQuality: number | null;
  /** Sum of the weights of the ratings that the prediction rests on. */
  ratings: number;
  /** Number of answers whose ratings were still awaited, which narrowed the arm's draw. Absent in old events. */
  awaited?: number;
  inputTokens: number | null;
  /**
   * The part of the input tokens that the upstream is expected to read from its prompt cache. Absent in events from
   * before it was priced.
   */
  cachedTokens?: number;
  outputTokens: number | null;
  /** The length model's own estimate, before the arm's running correction. */
  modelOutputTokens: number | null;
  costUsd: number | null;
  /**
   * For an arm that was added when others were already known: its forced tries so far, and how many it gets; whether
   * its draw was still wide, and whether a forced try could choose it. The last two are absent in events from before
   * they were recorded.
   */
  launch: { tries: number; of: number; wide?: boolean; forced?: boolean } | null;
  /** The maximum that it may cost. Present only when the key has a budget. */
  worstCaseUsd?: number;
  /** Expected seconds in the arm's queue. */
  waitS: number | null;
  penalty: number | null;
  score: number | null;
  propensity: number | null;
}

/** How the arm looked in the decision; undefined when it was not among the arms. */
export function explanationOf<A extends { arm: string }>({ arms }: { arms: readonly A[] }, id: string): A | undefined {
  return arms.find(({ arm }) => arm === id);
}

/** A weight at which another arm would have the best score. */
export interface Flip {
  weight: number;
  arm: string;
}

/**
 * - `launch`: a forced try of a new arm.
 * - `score`: the best score.
 * - `floor`: drawn from the plausible arms.
 * - `request`: the client named the arm.
 * - `session`: the arm that answered this conversation before.
 * - `tool_calls`: the arm whose tool calls the request answers.
 * - `reference`: the learner could not predict, so the reference arm answers.
 */
export type ChosenBy = 'score' | 'floor' | 'launch' | 'request' | 'session' | 'tool_calls' | 'reference';

export interface Decision {
  arm: string;
  chosenBy: ChosenBy;
  /** Why the decision rests on less information than it should; null in normal operation. */
  degraded: string | null;
  /** w in [0, 1], and its source. */
  weight: number;
  weightFrom: 'model' | 'header' | 'budget' | 'config' | 'key';
  /** The budget's weight, present only when a key's bounds replaced it, and never in old events. */
  budgetWeight?: number;
  /** USD that a request may cost on average; null when no budget is set. */
  budgetUsd: number | null;
  exploration: string;
  /** The quality target at the time; null: none. Absent in events from before it was recorded. */
  guard?: { share: number; confidence: number } | null;
  propensity: number;
  /**
   * The arm that costs and savings are compared with, its mean predicted cost, and its predicted cost for this
   * request.
   */
  reference: string;
  referenceMeanCostUsd: number;
  referenceCostUsd: number | null;
  /**
   * Input tokens that the reference would read from its prompt cache if it had answered the conversation so far. Absent
   * when they are those that it is likely to have.
   */
  referenceCachedTokens?: number;
  featureMap: string;
  /** Human-readable name of the kind of query that this one resembles most; null when unknown. */
  tag: string | null;
  needs: string[];
  inputCharacters: number;
  /** Absent in events from before it was recorded. */
  inputBytes?: number;
  /** Absent: none, or an event from before it was recorded. */
  inputEastAsianBytes?: number;
  images: number;
  /** Input tokens that files and audio are assumed to have, judging by their size. Absent: none. */
  attachedTokens?: number;
  /**
   * The key's budget is strict: an answer that ends without reported usage is charged as the worst case. Absent: it is
   * not.
   */
  strictBudget?: true;
  /** Number of choices requested; absent (in events from before it was recorded): 1. */
  choices?: number;
  /** Absent when the config requested no ratings. */
  ask?: FeedbackRequest;
  arms: ArmExplanation[];
  /** The arm with the second-best score. */
  runnerUp: { arm: string; score: number } | null;
  /** The nearest weights below and above at which the choice would flip. */
  flipBelow: Flip | null;
  flipAbove: Flip | null;
}
