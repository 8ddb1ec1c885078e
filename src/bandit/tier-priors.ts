import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { TIERS } from '../domain/arm.ts';
import { messageOf } from '../util/message-of.ts';

const tierSchema = z.object({ quality: z.number().min(0).max(1), slopes: z.array(z.number()) });

const fileSchema = z
  .object({
    /** Id of the feature map under which the slopes were learned, and its d. */
    feature_map: z.string(),
    dimensions: z.number().int().positive(),
    /** Prior mean quality, and d − 1 coefficients of quality on the features after the constant. */
    tiers: z.record(z.enum(TIERS), tierSchema),
    // The remaining fields are for people to read.
    command: z.string(),
    date: z.string(),
    corpus: z.array(
      z.object({
        name: z.string(),
        sha256: z.string(),
        queries: z.number(),
        source: z.object({ repository: z.string(), licence: z.string() }).nullable(),
      }),
    ),
    models: z.array(z.object({ model: z.string(), file: z.string(), tier: z.enum(TIERS), quality: z.number() })),
  })
  .refine(
    ({ dimensions, tiers }) => TIERS.every((tier) => tiers[tier].slopes.length === dimensions - 1),
    'a tier does not have one slope per feature',
  );

export type TierPriorsFile = z.infer<typeof fileSchema>;

/** What `mixllm train priors` learned from public data. */
export const TIER_PRIORS_FILE = new URL('./assets/tier-priors.json', import.meta.url);

let shipped: TierPriorsFile | null = null;

/**
 * The priors that ship with the project, read once.
 * @throws Error when they cannot be used
 */
export function tierPriors(): TierPriorsFile {
  shipped ??= readTierPriors(TIER_PRIORS_FILE);
  return shipped;
}

function readTierPriors(file: URL): TierPriorsFile {
  try {
    return fileSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    const reason = messageOf(error);
    throw new Error(`The priors ${fileURLToPath(file)} cannot be used: ${reason}. Reinstall the package.`);
  }
}
