import { z } from 'zod';
import { readJsonLines } from '../util/json-lines.ts';

/** What is absent may be null or missing. */
const outcomeSchema = z.object({
  /** 0..1; absent where nobody judged the answer. */
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
  /** Of a source that errs: what its score says of the quality, perhaps beyond 0 or 1. Absent: the score. */
  reward: z.number().nullish(),
  /** What it counts for its source's errors and for how it was selected. Absent: 1. */
  weight: z.number().min(0).max(1).nullish(),
  /** Of an audited answer: the inverse of the share that was audited. */
  inclusionWeight: z.number().min(1).nullish(),
});

/**
 * One line of a file of outcomes. Benchmarks record what every model made of a prompt; the log of a gateway records
 * what one model made of a query of which only the features are kept. Both are lines of this form.
 */
const recordedRowSchema = z.object({
  id: z.string(),
  /** The benchmark, or the tag of the query. */
  task: z.string().nullish(),
  /** What the models were sent; absent in lines from a log, which keeps no prompts. */
  prompt: z.string().nullish(),
  /** The question without repeated examples, where the prompt has some. */
  question: z.string().nullish(),
  /** By name of the model: in lines from a log the one that answered. */
  models: z.record(z.string(), outcomeSchema).refine((models) => Object.keys(models).length > 0, 'names no model'),

  // What only lines from a log have.

  /** When the query was decided on. ISO 8601, UTC. */
  time: z.string().nullish(),
  /** Features of the query, and the id of the map that made them. */
  context: z.object({ featureMap: z.string(), values: z.array(z.number()) }).nullish(),
  /** Weight of quality against cost, 0..1. */
  weight: z.number().min(0).max(1).nullish(),
  /** How the model was chosen, see `Decision.chosenBy`. */
  chosenBy: z.string().nullish(),
  /** Probability with which this model was chosen, 0..1; null where another was, and this one stood in for it. */
  propensity: z.number().min(0).max(1).nullish(),
  /** `ok`, `aborted` by the client, `interrupted`, or `failed`. */
  outcome: z.string().nullish(),
  /** Answers asked for at once, of which tokens and cost are the sum; absent: 1. */
  choices: z.number().int().positive().nullish(),
  /** True where the upstream told no usage: tokens, and so the cost, are what was assumed. Absent: it told. */
  estimated: z.boolean().nullish(),
  /** True where a limit on output tokens cut the answer off: it would have been longer. Absent: it ended by itself. */
  cut: z.boolean().nullish(),
  /** Of each source the rating that counts. The quality is their mean. */
  ratings: z.array(ratingSchema).nullish(),
});

export type RecordedRow = z.infer<typeof recordedRowSchema>;
export type RecordedOutcome = z.infer<typeof outcomeSchema>;

/**
 * Reads the lines of a file of outcomes, gzipped when its name ends in `.gz`.
 * @throws Error that names the file, and the line and field where one is wrong
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
