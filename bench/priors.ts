import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { isMainThread, parentPort } from 'node:worker_threads';
import { tierPriors } from '../src/bandit/tier-priors.ts';
import type { Tier } from '../src/domain/arm.ts';
import { coefficientsUnder } from '../src/features/feature-map.ts';
import { Featurizer } from '../src/features/featurizer.ts';
import { LexicalEmbedder } from '../src/features/lexical-embedder.ts';
import { measurePrior, PRIOR_WAYS, type PriorWay, type TierKnowledge } from '../src/offline/online/measure-priors.ts';
import { FIRST_SEED, streamOf } from '../src/offline/online/stream.ts';
import { loadOnlineData, type OnlineData } from '../src/offline/online-data.ts';
import { type Answer, runOnThreads } from '../src/offline/parallel.ts';
import { messageOf } from '../src/util/message-of.ts';
import { mean, standardDeviation } from '../src/util/statistics.ts';
import { options } from './support/options.ts';

/**
 * Measures what each prior is worth in the first 500 queries, on data sets that no prior was learned from.
 *
 * `npm run bench:priors -- [--data FOLDER] [--seeds 24] [--ways tiers,quality] [--threads 2] [--out FILE.md]`
 */

/**
 * The tier that an operator would give each model by its name: up to 13 billion parameters, the vendors' largest
 * models, and the rest.
 */
const TIERS: Record<Tier, readonly string[]> = {
  small: [
    ...['WizardLM/WizardLM-13B-V1.2', 'mistralai/mistral-7b-chat', 'Meta-Llama-3-8B-Instruct'],
    ...['Meta-Llama-3.1-8B-Instruct', 'Qwen2-7B-Instruct', 'gemma-2-2b-it', 'gemma-2-9b-it'],
    ...['meta-llama/llama-3.1-8b-instruct'],
  ],
  mid: [
    ...['gpt-3.5-turbo-1106', 'claude-instant-v1', 'claude-v1', 'claude-v2', 'meta/llama-2-70b-chat'],
    ...['mistralai/mixtral-8x7b-chat', 'zero-one-ai/Yi-34B-Chat', 'meta/code-llama-instruct-34b-chat'],
    ...['Meta-Llama-3-70B-Instruct', 'Meta-Llama-3.1-70B-Instruct', 'Qwen2-72B-Instruct', 'claude-3-5-haiku-20241022'],
    ...['claude-3-haiku-20240307', 'deepseek-v2.5-0908', 'gemini-1.5-flash', 'gemma-2-27b-it', 'gpt-3.5-turbo-0125'],
    ...['gpt-4o-mini-2024-07-18', 'google/gemini-2.5-flash'],
  ],
  frontier: [
    ...['gpt-4-1106-preview', 'Mistral-Large-2', 'claude-3-5-sonnet-20240620', 'claude-3-5-sonnet-20241022'],
    ...['claude-3-opus-20240229', 'gemini-1.5-pro', 'gpt-4o-2024-05-13', 'gpt-4o-2024-08-06', 'reka-core-20240501'],
    ...['mistralai/mistral-large-2512', 'google/gemini-2.5-pro'],
  ],
};
const SETS = ['routerbench_rdc', 'zeroeval', 'paretobandit_k4', 'paretobandit_k3'];

const WAYS = Object.keys(PRIOR_WAYS) as PriorWay[];
type Job = { file: string; seed: number; ways: readonly PriorWay[] };
/** Utility by way. */
type Utilities = Record<PriorWay, number>;

/** The learned slopes, as far as they are valid for the current features. */
function learnedSlopes(): TierKnowledge['slopes'] {
  const { feature_map, tiers } = tierPriors();
  const { featureMap, dimensions } = new Featurizer(new LexicalEmbedder());
  return new Map(
    (Object.keys(TIERS) as Tier[]).map((tier) => [
      tier,
      coefficientsUnder([0, ...tiers[tier].slopes], feature_map, featureMap, dimensions),
    ]),
  );
}

async function work(): Promise<void> {
  const slopes = learnedSlopes();
  const tiers = Object.fromEntries(
    (Object.keys(TIERS) as Tier[]).flatMap((tier) => TIERS[tier].map((model) => [model, tier] as const)),
  );
  let data: OnlineData | null = null;
  parentPort?.on('message', async ({ file, seed, ways }: Job) => {
    const answer = (message: Answer<Utilities>) => parentPort?.postMessage(message);
    try {
      if (data?.file !== file) data = await loadOnlineData(file);
      const stream = streamOf(data, seed);
      const utilities = ways.map((way) => [way, measurePrior(stream, way, { tiers, slopes })] as const);
      answer({ result: Object.fromEntries(utilities) as Utilities });
    } catch (error) {
      answer({ failure: messageOf(error) });
    }
  });
}

function shown(values: readonly number[], sign = ''): string {
  const centre = mean(values);
  const error = standardDeviation(values) / Math.sqrt(values.length);
  return `${centre > 0 ? sign : ''}${centre.toFixed(2)} ± ${error.toFixed(2)}`;
}

/**
 * @param bySet per data set, the utilities of each seed
 */
function table(bySet: readonly Utilities[][], ways: readonly PriorWay[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rows = ways.map((way) => {
    // Seed by seed, because both ways had the same queries at the same prices.
    const gains = bySet[0].map((_, seed) => mean(bySet.map((runs) => runs[seed][way] - runs[seed].price)));
    return line([PRIOR_WAYS[way], ...bySet.map((runs) => shown(runs.map((run) => run[way]))), shown(gains, '+')]);
  });
  const head = ['what is known at the start', ...SETS, 'gain over list prices, mean of the sets'];
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows].join('\n');
}

async function main(): Promise<void> {
  const values = options(
    'bench:priors',
    'Measures what each prior is worth, on data sets that no prior was learned from.',
    {
      data: '../shared/data',
      seeds: '24',
      ways: WAYS.join(),
      threads: '2',
      out: '',
    },
  );
  const files = SETS.map((name) => `${values.data}/${name}.jsonl.gz`);
  const missing = files.filter((file) => !existsSync(file));
  if (missing.length > 0)
    throw new Error(`Missing: ${missing.map((file) => basename(file)).join(', ')}. Name their folder with --data.`);
  const asked = values.ways.split(',');
  const unknown = asked.filter((way) => !Object.hasOwn(PRIOR_WAYS, way));
  if (unknown.length > 0) throw new Error(`There is no way ${unknown.join(', ')}; choose from: ${WAYS.join(', ')}.`);
  // List prices are always included, because every figure is compared with them.
  const ways = WAYS.filter((way) => way === 'price' || asked.includes(way));
  const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => FIRST_SEED + i);
  const jobs = files.flatMap((file) => seeds.map((seed) => ({ file, seed, ways })));
  const results = await runOnThreads<Job, Utilities>(new URL(import.meta.url), jobs, Number(values.threads), (done) => {
    process.stderr.write(`\r${done}/${jobs.length}`);
  });
  process.stderr.write('\n');
  const text = table(
    files.map((_, i) => results.slice(i * seeds.length, (i + 1) * seeds.length)),
    ways,
  );
  console.log(text);
  if (values.out) await writeFile(values.out, `${text}\n`);
}

await (isMainThread ? main() : work());
