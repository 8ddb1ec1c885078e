import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/util/random.ts';
import { runCommand } from '../support/command.ts';

const folder = mkdtempSync(join(tmpdir(), 'mixllm-evaluate-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Code and prose: each model but the expensive one is good at one of them or bad at both. @param models how many */
function writeData(name: string, models: number, costs = true): string {
  const random = seededRandom(3);
  const lines = Array.from({ length: 160 }, (_, i) => {
    const code = random.uniform() < 0.5;
    const rates: [string, number, number][] = [
      ['dear', 0.9, 0.02],
      ['coder', code ? 0.95 : 0.2, 0.001],
      ['writer', code ? 0.2 : 0.95, 0.0012],
      ['dunce', 0.3, 0.0008],
    ];
    return JSON.stringify({
      id: String(i),
      task: code ? 'code' : 'prose',
      prompt: code ? `def f${i}(x): return x * ${i}` : `Write a letter to aunt number ${i} about the weather.`,
      models: Object.fromEntries(
        rates.slice(0, models).map(([model, rate, cost]) => {
          const quality = Number(random.uniform() < rate);
          return [model, { quality, cost: costs ? cost * (0.5 + random.uniform()) : null }];
        }),
      ),
    });
  });
  const file = join(folder, name);
  writeFileSync(file, gzipSync(lines.join('\n')));
  return file;
}

const four = writeData('four.jsonl.gz', 4);
const two = writeData('two.jsonl.gz', 2);

/** What the command prints on standard output. */
const mixllm = async (...args: string[]) => (await runCommand(...args)).stdout;

const FIGURE = { mean: expect.any(Number), sd: expect.any(Number), reached: expect.any(Number) };

describe('mixllm evaluate', () => {
  it('prints JSON in the documented format, and writes a table and plots', async () => {
    const out = join(folder, 'out');
    const { datasets, ...rest } = JSON.parse(
      await mixllm('evaluate', '--data', four, two, '--seeds', '2', '--json', '--out', out),
    );
    expect(rest).toEqual({});
    expect(datasets.map(({ results: _, ...dataset }: Record<string, unknown>) => dataset)).toEqual([
      { name: 'four', queries: 160, models: 4, seeds: 2 },
      { name: 'two', queries: 160, models: 2, seeds: 2 },
    ]);
    const names = datasets[0].results.map(({ name }: { name: string }) => name);
    expect(names[0]).toBe('mixllm');
    expect(names).toEqual(
      expect.arrayContaining([
        ...['best-single', 'cheapest', 'random', 'static-mix'],
        ...['task-label', 'knn', 'shuffled', 'oracle'],
      ]),
    );
    const of = (dataset: number, name: string) =>
      datasets[dataset].results.find((result: { name: string }) => result.name === name);
    expect(of(0, 'mixllm')).toEqual({ name: 'mixllm', quality_at_24_18: FIGURE, cost_for_97_25: FIGURE, aiq: FIGURE });
    expect(of(1, 'mixllm')).toEqual({
      ...{ name: 'mixllm', quality_at_24_18: FIGURE, cost_for_97_25: FIGURE, aiq: FIGURE },
      ...{ apgr: FIGURE, cpt50: FIGURE, cpt80: FIGURE },
    });
    // Shares are fractions of 1.
    expect(of(0, 'mixllm').quality_at_24_18.mean).toBeGreaterThan(0.9);
    expect(of(0, 'mixllm').quality_at_24_18.mean).toBeLessThan(1.2);
    expect(of(0, 'mixllm').quality_at_24_18.mean).toBeGreaterThan(of(0, 'static-mix').quality_at_24_18.mean);
    expect(of(0, 'best-single').cost_for_97_25).toEqual({ mean: 1, sd: 0, reached: 1 });
    expect(of(0, 'best-single').quality_at_24_18).toEqual({ mean: null, sd: null, reached: 0 });

    expect(readdirSync(out).sort()).toEqual(['evaluation.md', 'four-evaluation.svg', 'two-evaluation.svg']);
    const table = readFileSync(join(out, 'evaluation.md'), 'utf8');
    expect(table).toContain('| MixLLM Gateway |');
    expect(table).toContain('APGR');
    const plot = readFileSync(join(out, 'four-evaluation.svg'), 'utf8');
    expect(plot).toMatch(/^<svg [^>]*xmlns/);
    // The curves themselves, not only the legend.
    for (const part of ['MixLLM Gateway', 'oracle (knows every answer)', 'any model at random', '<path']) {
      expect(plot).toContain(part);
    }
  });

  it.each([[['ridge-1000', 'coupled']], [['ridge-1000,coupled']]])(
    'measures the requested predictors, %o, beside all baselines',
    async (asked) => {
      const text = await mixllm('evaluate', '--data', four, '--seeds', '1', '--json', '--predictors', ...asked);
      const names = JSON.parse(text).datasets[0].results.map(({ name }: { name: string }) => name);
      const points = ['best-single', 'cheapest', 'random'];
      const curves = ['static-mix', 'task-label', 'knn', 'oracle', 'shuffled'];
      expect(names.sort()).toEqual([...points, ...curves, 'coupled', 'ridge-1000'].sort());
    },
  );

  it('rejects more splits than a job list can hold', async () => {
    await expect(mixllm('evaluate', '--data', four, '--seeds', '1e9')).rejects.toThrow(/exit 1.*seeds/s);
  });

  it('evaluates the feature map of a config, by default the shipped one', async () => {
    const file = join(folder, 'mixllm.yaml');
    writeFileSync(
      file,
      'providers: { p: { type: openai, api_key: none } }\nmodels: [{ id: a, provider: p, price: { input: 1, output: 2 } }]',
    );
    const judged = async (...more: string[]) =>
      JSON.parse(await mixllm('evaluate', '--data', four, '--seeds', '1', '--json', '--predictors', 'mixllm', ...more));
    const { feature_map, ...figures } = await judged('--config', file);
    expect(feature_map).toMatch(/^lexical/);
    expect(figures).toEqual(await judged());
  });

  it('rejects data without a usable reference or stream, and two files of the same name', async () => {
    const free = join(folder, 'free.jsonl');
    const rows = Array.from({ length: 9 }, (_, i) => ({
      id: `${i}`,
      prompt: `${i}`,
      models: { m: { quality: 1, cost: 0 }, n: { quality: 0, cost: 1 } },
    }));
    writeFileSync(free, rows.map((row) => JSON.stringify(row)).join('\n'));
    const asked = mixllm('evaluate', '--data', free, '--seeds', '1', '--predictors', 'static-mix');
    await expect(asked).rejects.toThrow(/m, the best single model, scores or costs nothing/);
    writeFileSync(free, JSON.stringify(rows[0]));
    await expect(mixllm('bench', '--online', '--data', free)).rejects.toThrow(/free.jsonl: 1 queries are too few/);
    // One file's figures and plot would overwrite the other's.
    const twice = mixllm('evaluate', '--data', free, `${free}.gz`);
    await expect(twice).rejects.toThrow(/are both called free in reports/);
  });

  it('rejects bench options that would have no effect', async () => {
    const bench = (...args: string[]) => mixllm('bench', '--data', four, ...args);
    await expect(bench('--scenarios', 'none')).rejects.toThrow('--scenarios needs --online');
    await expect(bench('--config', 'mixllm.yaml')).rejects.toThrow('--config needs --online');
    await expect(bench('--seeds', '2', '--out', folder)).rejects.toThrow('--out needs --sweep or --online');
  });

  it('checks that it can write before it starts working', async () => {
    const out = join(four, 'under-a-file');
    const costless = writeData('no-costs.jsonl.gz', 4, false);
    await expect(mixllm('train', 'features', '--corpus', costless, '--out', out)).rejects.toThrow(
      `EEXIST: file already exists, mkdir '${four}'`,
    );
    // So many seeds would take minutes.
    const refused = mixllm('evaluate', '--data', four, '--seeds', '5000', '--out', out);
    await expect(refused).rejects.toThrow(`EEXIST: file already exists, mkdir '${four}'`);
  });

  it('rejects an unknown predictor and lists the known ones', async () => {
    const refused = mixllm('evaluate', '--data', four, '--predictors', 'mixllm', 'crystal-ball');
    await expect(refused).rejects.toThrow(
      /no predictor crystal-ball; choose from: mixllm, .*static-mix.*oracle.*random/,
    );
  });
});

describe('mixllm paper', () => {
  it('writes a report with a table and plot per experiment, and prints the same figures as JSON', async () => {
    const data = join(folder, 'data');
    const out = join(folder, 'paper');
    mkdirSync(data);
    copyFileSync(four, join(data, 'four.jsonl.gz'));
    copyFileSync(writeData('costless.jsonl.gz', 4, false), join(data, 'costless.jsonl.gz'));
    const names = ['trade-off', 'offline-online', 'new-models', 'latency'];
    const { experiments } = JSON.parse(
      await mixllm('paper', '--data', data, '--seeds', '1', '--json', '--out', out, '--experiments', ...names),
    );
    expect(experiments.map(({ name }: { name: string }) => name)).toEqual(names);
    const [{ ways, ...dataset }] = experiments[0].datasets;
    expect(dataset).toEqual({ name: 'four', queries: 160, models: 4, seeds: 1 });
    expect(ways[0].figures['quality at 24.18 % of the cost']).toEqual(FIGURE);

    expect(readdirSync(out).sort()).toEqual([
      'README.md',
      'four-latency.svg',
      'four-new-models.svg',
      'four-trade-off.svg',
    ]);
    const report = readFileSync(join(out, 'README.md'), 'utf8');
    const shown = (100 * ways[0].figures['quality at 24.18 % of the cost'].mean).toFixed(1);
    expect(report).toContain(`| MixLLM Gateway | ${shown} ± `);
    expect(report).toContain(`npm run bench:paper -- --data ${data} --seeds 1`);
    for (const [, plot] of report.matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)) expect(existsSync(join(out, plot))).toBe(true);
    expect(report.match(/!\[/g)).toHaveLength(3);
  });

  it('says which data and experiments it needs', async () => {
    await expect(mixllm('paper', '--data', join(folder, 'nowhere'))).rejects.toThrow(
      /There is no .*nowhere.*recorded outcomes/,
    );
    await expect(mixllm('paper', '--data', four, '--experiments', 'alchemy')).rejects.toThrow(
      /no experiment alchemy; choose from: trade-off, tags, out-of-domain, offline-online, new-models, latency/,
    );
  });
});
