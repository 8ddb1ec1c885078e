import type { FeedbackRequest } from './selection.ts';

/** How one arm looked when a decision was made. Predictions are null where the arm was left out. */
export interface ArmExplanation {
  arm: string;
  provider: string;
  /** Why the arm could not serve the request, in words; null for a candidate. */
  excluded: string | null;
  /** The target that kept it out after its prediction; null for none. Absent in events of before it was recorded. */
  keptOut?: 'quality' | 'cost' | null;
  /** Predicted quality on [0, 1], its standard deviation, and what the exploration made of it. */
  quality: number | null;
  qualitySd: number | null;
  exploredQuality: number | null;
  /** Ratings that the prediction rests on, by weight. */
  ratings: number;
  /** Number of its answers whose ratings were still awaited, which narrowed its draw. Absent in old events. */
  awaited?: number;
  inputTokens: number | null;
  /** Those of them that its upstream is taken to read from its prompt cache. Absent in events of before that was priced. */
  cachedTokens?: number;
  outputTokens: number | null;
  /** The length model's own figure, before the arm's running correction. */
  modelOutputTokens: number | null;
  costUsd: number | null;
  /**
   * Of an arm that came when others were already known: its forced tries so far, and how many it gets; whether its draw
   * was still wide, and whether a forced try could fall on it. The last two are absent in events of before.
   */
  launch: { tries: number; of: number; wide?: boolean; forced?: boolean } | null;
  /** What it may cost at the most, where the key has a budget. */
  worstCaseUsd?: number;
  /** Expected seconds in the arm's queue. */
  waitS: number | null;
  penalty: number | null;
  score: number | null;
  propensity: number | null;
}

/** A weight at which another arm would have the best score. */
export interface Flip {
  weight: number;
  arm: string;
}

/**
 * `launch`: a forced try of a new arm; `score`: best score; `floor`: drawn from the plausible arms; `request`: the client named the arm;
 * `session`: the arm that answered this conversation before; `tool_calls`: the one whose tool calls the request answers;
 * `reference`: the learner could not tell, so the reference arm answers.
 */
export type ChosenBy = 'score' | 'floor' | 'launch' | 'request' | 'session' | 'tool_calls' | 'reference';

export interface Decision {
  arm: string;
  chosenBy: ChosenBy;
  /** Why the decision was made on less than it should have been; null when all was well. */
  degraded: string | null;
  /** w in [0, 1], and where it came from. */
  weight: number;
  weightFrom: 'model' | 'header' | 'budget' | 'config' | 'key';
  /** The budget's weight, when a key's bounds replaced it. Absent otherwise, and in old events. */
  budgetWeight?: number;
  /** USD that the request might cost on average; null where no budget is set. */
  budgetUsd: number | null;
  exploration: string;
  /** The target of quality in force; null for none. Absent in events of before it was recorded. */
  guard?: { share: number; confidence: number } | null;
  propensity: number;
  /** The arm that costs and savings are told against, its mean predicted cost, and its predicted cost here. */
  reference: string;
  referenceMeanCostUsd: number;
  referenceCostUsd: number | null;
  featureMap: string;
  /** What people call the kind of query that this one is most like; null when it is unknown. */
  tag: string | null;
  needs: string[];
  inputCharacters: number;
  /** Absent in events of before it was recorded. */
  inputBytes?: number;
  images: number;
  /** Input tokens that files and sounds are taken to have, by their size. Absent: none. */
  attachedTokens?: number;
  /** Answers asked for at once; absent in events of before it was recorded: 1. */
  choices?: number;
  /** Absent where the config asked for no ratings. */
  ask?: FeedbackRequest;
  arms: ArmExplanation[];
  /** Second-best score. */
  runnerUp: { arm: string; score: number } | null;
  /** The nearest weights below and above at which the choice would flip. */
  flipBelow: Flip | null;
  flipAbove: Flip | null;
}
