import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inventPrompts, WORDS } from '../features/transformers/support.ts';
import { writeTinyBert } from '../support/tiny-bert/tiny-bert.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mixllm-train-'));
  writeTinyBert(join(folder, 'tiny-bert'), { words: WORDS });
  writeTinyBert(join(folder, 'other-bert'), { words: WORDS.slice(1) });
  writeFileSync(
    join(folder, 'prompts.jsonl'),
    inventPrompts(260, 1)
      .map((prompt) => `${JSON.stringify({ prompt })}\n`)
      .join(''),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

function mixllm(...args: string[]) {
  return spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    cwd: folder,
    env: { PATH: process.env.PATH ?? '' },
  });
}

function writeConfig(model: string): string {
  const file = join(folder, 'mixllm.yaml');
  writeFileSync(
    file,
    `server: { port: 0 }
providers: { p: { type: openai, api_key: none } }
models: [{ id: a, provider: p, price: { input: 1, output: 2 } }]
embedding: { kind: transformers, model: ${model} }
`,
  );
  return file;
}

describe('mixllm with a sentence-embedding model', () => {
  it('refuses to start without a map, and says how to make one', () => {
    const started = mixllm('serve', '--config', writeConfig('tiny-bert'));
    expect([started.status, started.stdout]).toEqual([1, '']);
    expect(started.stderr).toContain('train features --embedder transformers --model tiny-bert --corpus');
    expect(mixllm('check', writeConfig('tiny-bert')).stderr).toBe(started.stderr);
  });

  it('trains a map that check then finds, and holds to its model', () => {
    const train = (...args: string[]) =>
      mixllm('train', 'features', '--embedder', 'transformers', '--corpus', 'prompts.jsonl', ...args);
    expect(train().stderr).toContain('--embedder transformers needs --model');
    const trained = train('--model', 'tiny-bert', '--max-tokens', '64');
    expect(trained.status).toBe(0);
    expect(trained.stdout).toContain('transformers-map.bin');
    expect(trained.stdout.split('\n').filter((line) => /^ +\d+ {2}/.test(line))).toHaveLength(40);
    const good = mixllm('check', writeConfig('tiny-bert'));
    expect([good.status, good.stderr]).toEqual([0, '']);
    expect(good.stdout).toContain('tiny-bert (q8, 64 tokens at most) by the map data/features/transformers-map.bin');
    for (const command of ['check', 'serve']) {
      const other = mixllm(command, '--config', writeConfig('other-bert'));
      expect(other.status).toBe(1);
      expect(other.stderr).toMatch(/fitted on the vectors of tiny-bert .* --model other-bert/);
    }
    const hub = mixllm('check', writeConfig('acme/not-fetched'));
    expect(hub.stdout).toContain('to be fetched from the Hugging Face hub at the start');
    mkdirSync(join(folder, 'empty'));
    expect(mixllm('check', writeConfig('empty')).stderr).toMatch(/empty cannot be loaded: .* lacks config\.json/);
    expect(existsSync(join(folder, 'data/models'))).toBe(false);
  });
});
