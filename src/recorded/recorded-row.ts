import { z } from 'zod';
import { readJsonLines } from '../util/json-lines.ts';

/** Absent values may be null or missing. */
const outcomeSchema = z.object({
  /** 0..1; absent when nobody rated the answer. */
  quality: z.number().min(0).max(1).nullish(),
  /** USD */
  cost: z.number().nonnegative().nullish(),
  inTokens: z.number().nonnegative().nullish(),
  outTokens: z.number().nonnegative().nullish(),
  /** Seconds that the model took. */
  latencyS: z.number().nonnegative().nullish(),
});

const ratingSchema = z.object({
  /** Who rated, e.g. `user` or `judge`. */
  source: z.string(),
  /** 0..1 */
  score: z.number().min(0).max(1),
  /** ISO 8601, UTC. */
  time: z.string(),
  /** For a source with errors: what its score says about the quality, possibly outside 0..1. Absent: the score. */
  reward: z.number().nullish(),
  /** Weight that accounts for the source's errors and for how the answer was selected. Absent: 1. */
  weight: z.number().min(0).max(1).nullish(),
  /**
   * True for a rating that nobody requested, of a source with an audit: its weight stays as it is, whoever else rated
   * the answer. Absent: it shares the answer's weight with the other ratings.
   */
  volunteered: z.boolean().nullish(),
  /** For an audited answer: the inverse of the share that was audited. */
  inclusionWeight: z.number().min(1).nullish(),
});

/** What was known when a model was chosen. */
const choiceSchema = z.object({
  /** The chosen model; after a fallback, another one answered. */
  model: z.string(),
  /** USD that count as 1 in the utility: the mean cost of the reference model's answers. */
  costUnit: z.number().nonnegative(),
  /**
   * By model, for those that could be chosen: the probability, the predicted quality and USD, and what the expected
   * wait took from the score (absent: nothing). The probabilities add up to 1; one of them is 1 when nothing was left to
   * chance.
   */
  candidates: z.record(
    z.string(),
    z.object({
      propensity: z.number(),
      quality: z.number().nullish(),
      cost: z.number().nullish(),
      penalty: z.number().nullish(),
    }),
  ),
});

/**
 * One line of a file of outcomes. Benchmarks record the outcome of every model on a prompt. A gateway's log records the
 * outcome of one model on a query, of which it keeps only the features. Both are lines of this format.
 */
const recordedRowSchema = z.object({
  id: z.string(),
  /** The benchmark, or the tag of the query. */
  task: z.string().nullish(),
  /** What was sent to the models; absent in lines from a log, which keeps no prompts. */
  prompt: z.string().nullish(),
  /** The question without repeated examples, when the prompt has some. */
  question: z.string().nullish(),
  /** By model name; in lines from a log, only the model that answered. */
  models: z.record(z.string(), outcomeSchema).refine((models) => Object.keys(models).length > 0, 'names no model'),

  // The fields from here on exist only in lines from a log.

  /** When the query was decided. ISO 8601, UTC. */
  time: z.string().nullish(),
  /** Name of the gateway key of the request. Absent: none was required. */
  key: z.string().nullish(),
  /** Features of the query, and the id of the map that made them. */
  context: z.object({ featureMap: z.string(), values: z.array(z.number()) }).nullish(),
  /** Weight of quality against cost, 0..1. */
  weight: z.number().min(0).max(1).nullish(),
  /** How the model was chosen; see `Decision.chosenBy`. */
  chosenBy: z.string().nullish(),
  /**
   * Probability with which this model was chosen, 0..1; null when another one was chosen and this one was its fallback.
   */
  propensity: z.number().min(0).max(1).nullish(),
  /** Absent in lines from earlier versions. */
  choice: choiceSchema.nullish(),
  /** `ok`, `aborted` by the client, `interrupted`, or `failed`. */
  outcome: z.string().nullish(),
  /** Number of choices requested; tokens and cost are their sum. Absent: 1. */
  choices: z.number().int().positive().nullish(),
  /** True when the upstream reported no usage, so that tokens and cost are estimates. Absent: it did. */
  estimated: z.boolean().nullish(),
  /**
   * True when a limit on output tokens cut the answer off, so that it would have been longer. Absent: it ended by
   * itself.
   */
  cut: z.boolean().nullish(),
  /** The rating of each source that counts. The quality is their mean. */
  ratings: z.array(ratingSchema).nullish(),
});

export type RecordedRow = z.infer<typeof recordedRowSchema>;
export type RecordedOutcome = z.infer<typeof outcomeSchema>;

/**
 * Reads the lines of a file of outcomes, gzipped when its name ends in `.gz`.
 * @throws Error that names the file and, for a bad row, its line and field
 */
export async function* readRecordedRows(file: string): AsyncGenerator<{ row: RecordedRow; where: string }> {
  for await (const { value, where } of readJsonLines(file)) yield { row: parseRecordedRow(value, where), where };
}

function parseRecordedRow(value: unknown, where: string): RecordedRow {
  const parsed = recordedRowSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${where}${issue.path.length > 0 ? `, ${issue.path.join('.')}` : ''}: ${issue.message}`);
}
