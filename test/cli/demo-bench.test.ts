import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/util/random.ts';
import { CLEAN_ENVIRONMENT } from '../support/clean-environment.ts';
import { runCommand } from '../support/command.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'mixllm-bench-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Like a user: in a process of its own, which must end. */
const launched = (...args: string[]) =>
  promisify(execFile)(process.execPath, [MAIN, ...args], { encoding: 'utf8', env: CLEAN_ENVIRONMENT });

/** Two kinds of queries, each with a model that is good at it; the third model is expensive and good at both. */
function recordedFile(): string {
  const random = seededRandom(5);
  const rows = Array.from({ length: 120 }, (_, i) => {
    const code = i % 2 === 0;
    const noise = () => 0.1 * random.uniform();
    return {
      id: `q${i}`,
      task: code ? 'code' : 'prose',
      prompt: code ? `def f${i}(x): return x + ${i}  # fix this function` : `Tell a story number ${i} about a river`,
      models: {
        'maker/coder': { quality: code ? 0.9 + noise() : 0.1, cost: 0.0001 },
        writer: { quality: code ? 0.1 : 0.9 + noise(), cost: 0.0001 },
        dear: { quality: 0.9 + noise(), cost: 0.01 },
      },
    };
  });
  const file = join(folder, 'recorded.jsonl.gz');
  writeFileSync(file, gzipSync(rows.map((row) => JSON.stringify(row)).join('\n')));
  return file;
}

describe('mixllm demo', () => {
  it('routes simulated queries through the real gateway, loses none, and prints one JSON object', async () => {
    const { stdout } = await runCommand('demo', '--queries', '80', '--json');
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ simulated: true, queries: 80, requests_lost: 0, best_single_model: 'sim-frontier' });
    expect(report.ratings).toBeGreaterThan(20);
    expect(report.thirds).toHaveLength(3);
    const shares: number[] = Object.values(report.shares);
    expect(shares.length).toBeGreaterThanOrEqual(4);
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(Object.keys(report.shares_by_kind).length).toBeGreaterThanOrEqual(8);
    // The tags are the gateway's own: together they cover every query and each model's share.
    const tags = Object.entries<number>(report.queries_by_tag);
    expect(tags.length).toBeGreaterThanOrEqual(5);
    expect(tags.reduce((sum, [, queries]) => sum + queries, 0)).toBe(80);
    for (const [model, share] of Object.entries<number>(report.shares)) {
      const got = tags.reduce((sum, [tag, queries]) => sum + queries * report.shares_by_tag[tag][model], 0);
      expect(got / 80).toBeCloseTo(share, 9);
    }
    expect(report.cost_ratio).toBeCloseTo(report.cost_usd / report.baselines.best_single.cost_usd, 9);
  });

  it('prints a table and the next step', async () => {
    const { stdout, stderr } = await launched('demo', '--queries', '12');
    expect(stdout).toMatch(/MixLLM Gateway {2,}\d/);
    expect(stdout).toContain('simulated');
    expect(stdout).toMatch(/tag +queries +sim-frontier/);
    expect(stdout.trim().split('\n').at(-1)).toContain('OPENAI_API_KEY');
    expect(stderr).toContain('12/12 queries answered');
  });
});

describe('mixllm bench', () => {
  it('replays recorded outcomes, learns which model is good at what, and is reproducible for a seed', async () => {
    const file = recordedFile();
    const run = async () =>
      JSON.parse((await runCommand('bench', '--data', file, '--weight', '0.6', '--seed', '3', '--json')).stdout);
    const [report, again] = [await run(), await run()];
    expect(report).toMatchObject({ queries: 120, requests_lost: 0, weight: 0.6, seed: 3 });
    expect({ ...again, seconds: 0 }).toEqual({ ...report, seconds: 0 });
    expect(report.baselines.best_single.model).toBe('dear');
    const queriesByTag: Record<string, number> = report.queries_by_tag;
    expect(Object.values(queriesByTag).reduce((sum, queries) => sum + queries)).toBe(120);
    const dear = Object.entries(queriesByTag).reduce(
      (sum, [tag, queries]) => sum + queries * report.shares_by_tag[tag].dear,
      0,
    );
    expect(dear / 120).toBeCloseTo(report.shares.dear, 9);
    expect(report.baselines.cheapest.cost_ratio).toBeCloseTo(0.01, 9);
    expect(report.baselines.oracle.quality_ratio).toBeGreaterThan(1);
    // Both choices are cheap; it learns which of the two cheap models to ask.
    expect(report.cost_ratio).toBeLessThan(0.1);
    expect(report.thirds[2].quality_ratio).toBeGreaterThan(report.baselines.static_mix.quality_ratio + 0.1);
  });

  it('sweeps weights into a table and a plot', async () => {
    const out = join(folder, 'out');
    const { stdout } = await runCommand('bench', '--data', recordedFile(), '--limit', '9', '--sweep', '--out', out);
    expect(stdout.match(/^ *0\.\d+ /gm)).toHaveLength(9);
    expect(readFileSync(join(out, 'recorded.md'), 'utf8')).toContain('| 0.99 |');
    const plot = readFileSync(join(out, 'recorded.svg'), 'utf8');
    expect(plot).toMatch(/^<svg [^>]*xmlns/);
    // The best model of the queries sent is plotted at 100 %.
    const [, level] = /<text transform="translate\(60,([\d.]+)\)"[^>]*>100%/.exec(plot) ?? [];
    const [, best] = /<circle r="3" cy="([\d.]+)"/.exec(plot) ?? [];
    expect(Math.abs(Number(best) - Number(level))).toBeLessThanOrEqual(0.5);
  });

  it('runs several random orders and prints their means', async () => {
    const { stdout } = await runCommand(
      'bench',
      '--data',
      recordedFile(),
      '--limit',
      '9',
      '--seeds',
      '2',
      '--seed',
      '5',
    );
    expect(stdout).toContain('2 random orders');
    expect(stdout).toMatch(/MixLLM Gateway +\d+\.\d ± \d+\.\d +\d+\.\d ± \d+\.\d/);
  });

  it('--online runs many random orders through the policy in this process, and plots the learning curve', async () => {
    const out = join(folder, 'online');
    const online = (...args: string[]) =>
      runCommand('bench', '--online', '--data', recordedFile(), '--seeds', '2', ...args);
    const { stdout } = await online('--scenarios', 'rated10,asked10', 'rated10', '--json', '--out', out);
    const [dataset] = JSON.parse(stdout).datasets;
    expect(dataset).toMatchObject({ name: 'recorded', seeds: 2 });
    expect(dataset.u.full.mean).toBeGreaterThan(dataset.u.best_single.mean);
    expect(Object.keys(dataset.scenarios).sort()).toEqual(['asked10', 'rated10']);
    expect(dataset.scenarios.rated10.mean).toBe(dataset.scenarios.rated10.warm50.mean);
    expect(readFileSync(join(out, 'recorded-learning.svg'), 'utf8')).toMatch(/^<svg [^>]*xmlns/);
    await expect(online('--scenarios', 'sunshine')).rejects.toThrow(/no scenario sunshine; choose from: delay300/);
  });

  it('--labelled runs the same orders through HTTP and in this process, after fully graded queries', async () => {
    const labelled = (...args: string[]) => runCommand('bench', '--data', recordedFile(), '--labelled', ...args);
    const report = JSON.parse((await labelled('30', '--seeds', '1', '--json')).stdout);
    expect(report).toMatchObject({ name: 'recorded', labelled: 30, seeds: 1, runs: [{ seed: 1100 }] });
    const { http, in_process, difference } = report.u;
    expect(difference.mean).toBeCloseTo(http.mean - in_process.mean, 9);
    // What 30 graded queries teach is the same either way; the rest is the luck of some 66 choices.
    for (const { mean } of [http, in_process]) expect(mean).toBeGreaterThan(85);
    expect(Math.abs(difference.mean)).toBeLessThan(8);
    await expect(labelled('96')).rejects.toThrow(/the stream has 96 queries/);
  });

  it('says what is wrong with an unusable file or option', async () => {
    const file = join(folder, 'costless.jsonl');
    writeFileSync(file, '{"id":"a","prompt":"p","models":{"m":{"quality":1,"cost":null}}}\n');
    await expect(runCommand('bench', '--data', file)).rejects.toThrow(/records no costs/);
    await expect(runCommand('bench', '--data', join(folder, 'none.jsonl'))).rejects.toThrow(
      /Cannot read .*none\.jsonl/,
    );
    await expect(runCommand('bench', '--data', file, '--weight', '2')).rejects.toThrow(/number from 0 to 1/);
    await expect(runCommand('bench', '--online', '--data', file, '--seed', '7')).rejects.toThrow(/--seed/);
    // The simulated upstream is already listening and must not keep the process alive.
    writeFileSync(file, '{"id":"a","prompt":"p","models":{"GPT 4":{"quality":1,"cost":1}}}\n');
    await expect(launched('bench', '--data', file)).rejects.toThrow(/"GPT 4" cannot be a model of the gateway: id: /);
  });
});
