import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { ConfigError, describe, place, readText, withoutQuote } from './load.ts';
import { explorationSchema, modelSchema, priorSchema, qualityTargetSchema, weightSchema } from './schema.ts';

const id = modelSchema.shape.id;

/** A policy that the log is asked about. What is absent stays as it was. */
const replayPolicySchema = z.strictObject({
  weight: weightSchema.optional(),
  exploration: explorationSchema.optional(),
  quality: z
    .union([z.literal('off'), qualityTargetSchema], 'expected off, a share or { share, confidence }')
    .optional(),
  models: z.array(id).min(1).optional(),
  priors: z.record(id, priorSchema).optional(),
});

export type ReplayPolicy = z.infer<typeof replayPolicySchema>;

/** @throws ConfigError also when the file cannot be read */
export function loadReplayPolicy(path: string): ReplayPolicy {
  return parseReplayPolicy(readText(path), path);
}

/** Pure. An empty text is the policy that changes nothing. @param source name of the file, for messages @throws ConfigError */
export function parseReplayPolicy(text: string, source: string): ReplayPolicy {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const [mistake] = document.errors;
  if (mistake) {
    throw new ConfigError(source, [`line ${lines.linePos(mistake.pos[0]).line}: ${withoutQuote(mistake.message)}`]);
  }
  let value: unknown;
  try {
    value = document.toJS() ?? {};
  } catch (error) {
    throw new ConfigError(source, [`an alias (*name) in it cannot be used: ${withoutQuote((error as Error).message)}`]);
  }
  const parsed = replayPolicySchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const where = (path: (string | number)[]) => place(document, lines, path);
  throw new ConfigError(
    source,
    parsed.error.issues.map((issue) => describe(issue, value, where, [], replayPolicySchema)),
  );
}
