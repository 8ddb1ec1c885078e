import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkEmbedding } from '../../src/cli/check-embedding.ts';
import { loadConfig } from '../../src/config/load.ts';
import { configSchema } from '../../src/config/schema.ts';
import { buildFeaturizer } from '../../src/wiring/features.ts';
import { StartError } from '../../src/wiring/start-error.ts';
import { inventPrompts, makeTinyModel, type TinyModel, WORDS } from '../features/transformers/support.ts';
import { runCommand } from '../support/command.ts';
import { writeTinyBert } from '../support/tiny-bert/tiny-bert.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

let tiny: TinyModel;
let folder: string;
beforeAll(async () => {
  tiny = await makeTinyModel();
  folder = join(tiny.folder, '..');
});
afterAll(() => tiny?.remove());

function mixllm(...args: string[]) {
  const environment = { PATH: process.env.PATH ?? '' };
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', cwd: folder, env: environment });
}

const MODELS = {
  providers: { p: { type: 'openai', api_key: 'none' } },
  models: [{ id: 'a', provider: 'p', price: { input: 1, output: 2 } }],
};

describe('mixllm with a sentence-embedding model', () => {
  it('refuses to start without a map, and says how to make one', async () => {
    const embedding = { kind: 'transformers', model: 'tiny-bert' };
    // JSON is also YAML.
    await writeFile(join(folder, 'mixllm.yaml'), JSON.stringify({ ...MODELS, embedding }));
    const started = mixllm('serve', '--config', 'mixllm.yaml');
    expect([started.status, started.stdout]).toEqual([1, '']);
    expect(started.stderr).toContain('train features --embedder transformers --model tiny-bert --corpus');
  });

  it('trains a map, which is then found', async () => {
    const lines = inventPrompts(260, 1).map((prompt) => `${JSON.stringify({ prompt })}\n`);
    await writeFile(join(folder, 'prompts.jsonl'), lines.join(''));
    const options = ['--embedder', 'transformers', '--model', 'tiny-bert', '--max-tokens', '64'];
    const trained = mixllm('train', 'features', ...options, '--corpus', 'prompts.jsonl');
    expect(trained.status).toBe(0);
    expect(trained.stdout).toContain('data/features/transformers-map.bin');
    expect(trained.stdout.split('\n').filter((line) => /^ +\d+ {2}/.test(line))).toHaveLength(40);
    expect(check({ model: tiny.folder, map: join(folder, 'data/features/transformers-map.bin') })).toContain(
      'tiny-bert (q8, at most 64 tokens)',
    );
  });
});

it('waits as long as an embedding takes when no client is waiting, as in training arms', async () => {
  const embedding = { kind: 'transformers', model: tiny.folder, map: tiny.map, timeout_ms: 1 };
  const featurizer = buildFeaturizer(configSchema.parse({ ...MODELS, embedding }));
  await featurizer.start();
  const features = inventPrompts(5, 2).map((content) =>
    featurizer.featurize({ model: 'auto', messages: [{ role: 'user', content: content.repeat(20) }] }),
  );
  expect((await Promise.all(features)).map(({ failure }) => failure)).toEqual(Array(5).fill(null));
  await featurizer.close();
});

/** Whether a map is worth having is for operators to find out with their own outcomes. */
it.each([
  ['evaluate', ['--predictors', 'mixllm']],
  ['bench', ['--online', '--scenarios', 'none']],
])('%s evaluates the map of a config on recorded outcomes, in place of the shipped map', async (command, options) => {
  const prompts = inventPrompts(80, 3);
  const rows = prompts.map((prompt, i) => {
    const models = {
      dear: { quality: 0.7, cost: 0.01 },
      cheap: { quality: Number(prompt.includes(WORDS[0])), cost: 0.001 },
    };
    return JSON.stringify({ id: `${i}`, prompt, models });
  });
  const [data, file] = [join(folder, 'recorded.jsonl'), join(folder, 'judged.yaml')];
  await writeFile(data, rows.join('\n'));
  await writeFile(
    file,
    JSON.stringify({ ...MODELS, embedding: { kind: 'transformers', model: tiny.folder, map: tiny.map } }),
  );
  const judged = async (...more: string[]) =>
    JSON.parse((await runCommand(command, '--data', data, '--seeds', '1', '--json', ...options, ...more)).stdout);
  const [own, shipped] = [await judged('--config', file), await judged()];
  expect(own.feature_map).toBe(buildFeaturizer(loadConfig(file, {}).config).featureMap);
  expect(shipped.feature_map).toBeUndefined();
  const [a, b] = [own.datasets[0], shipped.datasets[0]];
  expect([a.name, a.seeds]).toEqual([b.name, b.seeds]);
  expect(a).not.toEqual(b);
});

function check(embedding: object): string {
  return checkEmbedding(configSchema.parse({ ...MODELS, embedding: { kind: 'transformers', ...embedding } }));
}

describe('mixllm check with a sentence-embedding model', () => {
  const problem = (embedding: object) => {
    try {
      return check(embedding);
    } catch (error) {
      expect(error).toBeInstanceOf(StartError);
      return (error as Error).message;
    }
  };

  it('says what will be used and what will be downloaded', () => {
    const { folder: model, map } = tiny;
    expect(check({ model, map })).toMatch(/tiny-bert \(q8, at most 64 tokens\) with the map .*, 5 dimensions$/);
    expect(check({ model: 'acme/not-fetched', map })).toContain('downloaded from the Hugging Face hub at the start');
    expect(existsSync('data/models/acme')).toBe(false);
  });

  it('rejects what the gateway would not start with', () => {
    const { folder: model, map } = tiny;
    const [other, empty] = [join(folder, 'other-bert'), join(folder, 'empty')];
    writeTinyBert(other, { words: WORDS.slice(1) });
    mkdirSync(empty);
    expect(problem({ model: other, map })).toMatch(/fitted on the vectors of tiny-bert, .* --model .*other-bert/);
    expect(problem({ model: empty, map })).toMatch(/empty cannot be loaded: .* lacks config\.json.*kind: lexical/);
    expect(problem({ model: '/none/such', map })).toMatch(/there is no folder \/none\/such.*kind: lexical/);
    expect(problem({ model, map: '/none.bin' })).toMatch(/none\.bin cannot be used: ENOENT.*train features/);
  });
});
