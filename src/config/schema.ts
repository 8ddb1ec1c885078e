import { z } from 'zod';
import { TIERS } from '../domain/arm.ts';
import { AUTO } from '../domain/auto-model.ts';
import { EXPLORATION_KINDS } from '../domain/exploration.ts';
import { name, providerSchema, secret } from './provider-schema.ts';

/** USD per million tokens. */
const usd = z.number().nonnegative().max(1e6);
const rates = { input: usd, cached_input: usd.optional(), cache_write: usd.optional(), output: usd };
const price = z.strictObject({
  ...rates,
  long_prompt: z.strictObject({ above: z.number().int().positive(), ...rates }).optional(),
});

const seconds = z.number().positive().max(86_400);

export const priorSchema = z.union(
  [z.enum(TIERS), z.strictObject({ quality: z.number().min(0).max(1) }), z.strictObject({ like: z.string() })],
  'expected small, mid, frontier, { quality: 0.8 } or { like: MODEL }',
);

export const explorationSchema = z.enum(EXPLORATION_KINDS);

/** An entry of `models`. */
export const modelSchema = z.strictObject({
  // Ids are sent in headers and URLs.
  id: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$/, 'expected letters, digits and . _ : / @ + -, at most 128'),
  provider: z.string(),
  model: z.string().min(1).max(512).optional(),
  price,
  context_window: z.number().int().positive().optional(),
  max_output_tokens: z.number().int().positive().optional(),
  capabilities: z.array(z.enum(['tools', 'vision', 'json', 'audio', 'files'])).default([]),
  max_concurrency: z.number().int().positive().default(32),
  prior: priorSchema.optional(),
  timeouts: z
    .strictObject({
      connect_s: seconds.optional(),
      first_byte_s: seconds.optional(),
      idle_s: seconds.optional(),
      total_s: seconds.optional(),
    })
    .optional(),
});

/** An origin as a browser sends it: in lower case, without a path, and without the port that its scheme implies. */
const origin = z
  .string()
  .refine(
    (text) => text === '*' || (/^[a-z][a-z\d+.-]*:\/\/[^/\s]+$/.test(text) && isNormal(text)),
    'expected an origin such as https://chat.example.com, without a path, or "*" for every page',
  );

/** URLs of apps (`app://obsidian.md`) have no normal form to compare with. */
function isNormal(text: string): boolean {
  return !/^https?:/.test(text) || (URL.canParse(text) && new URL(text).origin === text);
}

/** Weight of quality against cost. */
export const weightSchema = z.number().min(0).max(1);
const share = weightSchema;

const reliability = z
  .strictObject({ true_positive: share, false_positive: share })
  .refine(({ true_positive, false_positive }) => true_positive > false_positive, {
    error: 'true_positive must be above false_positive: ratings that are no better than chance teach nothing',
  });

/**
 * `share`: the fraction of answers drawn at random to be rated; `sources`: those whose ratings are volunteered when
 * nobody asks.
 */
const audit = z.union(
  [share, z.strictObject({ share, sources: z.array(z.string().min(1)).min(1).default(['user']) })],
  'expected a share from 0 to 1 such as 0.02, or { share: 0.02, sources: [user] }',
);

/** What a client's behaviour is assumed to say about an answer. Weak evidence: a tenth of a rating, or less. */
const signal = (score: number, weight: number) => ({
  score: share.default(score),
  weight: z.number().gt(0).max(1).default(weight),
});

/** What another name of a model stands for. With `models`, only these answer, in the order that routing finds best. */
const alias = z.union(
  [z.string(), z.strictObject({ model: z.string().default(AUTO), models: z.array(z.string()).min(1) })],
  'expected "auto", a weight such as "auto:0.7", the id of a model, or { model: "auto:0.7", models: [ID, …] }',
);

const targetUsd = z.number().positive();

const budget = z.union(
  [z.strictObject({ usd_per_request: targetUsd }), z.strictObject({ usd_per_day: targetUsd })],
  'expected { usd_per_request: USD } or { usd_per_day: USD }, above 0',
);

const bestShare = z.number().gt(0).max(1);

/** A share alone judges by the predictions; a confidence above one half also takes their uncertainty into account. */
export const qualityTargetSchema = z.union(
  [
    bestShare.transform((share) => ({ share, confidence: 0.5 })),
    z.strictObject({ share: bestShare, confidence: z.number().gt(0).lt(1).default(0.5) }),
  ],
  'expected a share such as 0.97, or { share: 0.97, confidence: 0.8 }',
);

const key = z.strictObject({
  name,
  key: secret.min(1).regex(/^\S*$/, 'it must not contain spaces: clients send it as a bearer token'),
  weight: z.strictObject({ min: share.default(0), max: share.default(1) }).default({ min: 0, max: 1 }),
  models: z.array(z.string()).min(1).default(['*']),
  budget: z
    .strictObject({ usd: z.number().positive(), per: z.enum(['day', 'month']), strict: z.boolean().default(false) })
    .optional(),
  rpm: z.number().int().positive().optional(),
  tpm: z.number().int().positive().optional(),
  role: z.enum(['user', 'admin']).default('user'),
});

export const configSchema = z.strictObject({
  server: z
    .strictObject({
      host: z.string().min(1).default('127.0.0.1'),
      port: z.number().int().min(0).max(65_535).default(8080),
      max_body_mb: z.number().positive().max(1024).default(32),
      max_bodies_mb: z.number().positive().optional(),
      drain_s: z.number().nonnegative().max(600).default(1),
      shutdown_s: seconds.default(30),
      cors_origins: z.array(origin).default([]),
    })
    .prefault({}),
  auth: z.strictObject({ keys: z.array(key).default([]) }).prefault({}),
  providers: z.record(name, providerSchema),
  models: z.array(modelSchema).min(1),
  routing: z
    .strictObject({
      reference: z.string().optional(),
      weight: share.default(0.5),
      weights: z
        .record(
          z
            .string()
            .regex(/^[a-z][\w-]{0,31}$/, 'expected a small letter, then at most 31 letters, digits or any of _ -'),
          share,
        )
        .default({})
        // A config that adds its own names keeps these.
        .transform((weights) => ({ economy: 0.5, balanced: 0.8, quality: 0.95, ...weights })),
      aliases: z.record(z.string().min(1), alias).default({}),
      latency: z
        .strictObject({
          budget_s: seconds.default(30),
          beta: z.number().nonnegative().default(0.25),
          gamma: z.number().nonnegative().default(4),
          xi: z.number().nonnegative().default(0.5),
          cap: z.number().positive().default(100),
        })
        .prefault({}),
      stickiness: z.enum(['off', 'price', 'strict']).optional(),
      targets: z.strictObject({ budget: budget.optional(), quality: qualityTargetSchema.optional() }).prefault({}),
    })
    .prefault({}),
  resilience: z
    .strictObject({
      retries: z.number().int().min(0).max(10).default(1),
      max_retry_after_s: z.number().nonnegative().max(60).default(5),
      timeouts: z
        .strictObject({
          connect_s: seconds.default(5),
          first_byte_s: seconds.default(120),
          idle_s: seconds.default(60),
          total_s: seconds.default(600),
        })
        .prefault({}),
      breaker: z
        .strictObject({ failures: z.number().int().positive().default(5), cooldown_s: seconds.default(10) })
        .prefault({}),
    })
    .prefault({}),
  learning: z
    .strictObject({
      exploration: explorationSchema.default('thompson'),
      warm_start: z.string().min(1).optional(),
      drift: z
        .union(
          [
            z.literal('off'),
            z.strictObject({
              slack: z.number().nonnegative().default(0.15),
              threshold: z.number().positive().default(15),
              remains: z.number().gt(0).max(1).default(0.5),
            }),
          ],
          'expected off, or { slack: 0.15, threshold: 15, remains: 0.5 }',
        )
        .prefault({}),
      snapshot_change: z.strictObject({ remains: z.number().gt(0).max(1).default(0.25) }).prefault({}),
      sources: z.record(z.string(), reliability).default({}),
      audit: audit.default(0),
      ask: share.default(0),
      implicit: z
        .strictObject({
          regenerate: z.strictObject({ ...signal(0.2, 0.1), within_s: seconds.default(60) }).optional(),
          abort: z.strictObject(signal(0.3, 0.05)).optional(),
        })
        .prefault({}),
      launch: z
        .strictObject({
          tries: z.number().int().nonnegative().default(30),
          budget_usd: z.number().nonnegative().default(1),
        })
        .prefault({}),
    })
    .prefault({}),
  embedding: z
    .strictObject({
      kind: z.enum(['lexical', 'transformers']).default('lexical'),
      model: z.string().min(1).max(512).optional(),
      map: z.string().min(1).optional(),
      timeout_ms: z.number().int().positive().max(60_000).default(250),
    })
    .prefault({}),
  storage: z
    .strictObject({
      url: z
        .string()
        .regex(/^sqlite:.+/, 'expected sqlite:PATH, e.g. sqlite:data/mixllm.db (PostgreSQL is not supported yet)')
        .default('sqlite:data/mixllm.db'),
      keep_days: z.number().int().min(32, 'expected 32 or more: monthly budgets are counted from the log').optional(),
    })
    .prefault({}),
  logging: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info') }).prefault({}),
});

export type Config = z.infer<typeof configSchema>;
export type ModelConfig = Config['models'][number];
export type ProviderConfig = Config['providers'][string];
