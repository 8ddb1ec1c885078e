import { z } from 'zod';
import { ConfigError } from './config-error.ts';
import { describeIssue } from './describe-issue.ts';
import { explorationSchema, modelSchema, priorSchema, qualityTargetSchema, weightSchema } from './schema.ts';
import { type Path, parseYaml, place, readText, valuesIn } from './yaml-file.ts';

const id = modelSchema.shape.id;

/** A policy to evaluate on the log. An absent setting keeps the logged value. */
const replayPolicySchema = z
  .strictObject({
    weight: weightSchema.optional(),
    default_weight: weightSchema.optional(),
    exploration: explorationSchema.optional(),
    quality: z
      .union([z.literal('off'), qualityTargetSchema], 'expected off, a share or { share, confidence }')
      .optional(),
    models: z.array(id).min(1).optional(),
    priors: z.record(id, priorSchema).optional(),
  })
  .refine(({ weight, default_weight }) => weight === undefined || default_weight === undefined, {
    path: ['default_weight'],
    message: 'expected nothing next to weight, which replaces every weight',
  });

export type ReplayPolicy = z.infer<typeof replayPolicySchema>;

/** @throws ConfigError for an invalid file, or one that cannot be read */
export function loadReplayPolicy(path: string): ReplayPolicy {
  return parseReplayPolicy(readText(path), path);
}

/**
 * Pure. An empty text is the policy that changes nothing.
 * @param source name of the file, for messages
 * @throws ConfigError
 */
export function parseReplayPolicy(text: string, source: string): ReplayPolicy {
  const refuse = (problems: readonly string[]) => new ConfigError(source, problems);
  const file = parseYaml(text, refuse);
  const value = valuesIn(file, refuse);
  const parsed = replayPolicySchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const where = (path: Path) => place(file, path);
  throw refuse(parsed.error.issues.map((issue) => describeIssue(issue, value, where, [], replayPolicySchema)));
}
