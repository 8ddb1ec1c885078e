import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { loadRecordedOutcomes, notesOn } from '../../src/recorded/recorded-outcomes.ts';
import {
  recordedOutcomes,
  recordedOutputTokens,
  recordedPrices,
  shuffledQueries,
  TOKENS_PER_ANSWER,
} from '../../src/recorded/recorded-prices.ts';
import { seededRandom } from '../../src/util/random.ts';

const folder = mkdtempSync(join(tmpdir(), 'mixllm-recorded-'));
afterAll(() => rmSync(folder, { recursive: true }));

const score = (quality: number | null, cost: number | null) => ({ quality, cost, inTokens: 3, latencyS: null });
const ROWS = [
  {
    id: 'a',
    task: 't1',
    prompt: 'Examples. Why?',
    question: 'Why?\u2028',
    models: { y: score(1, 0.5), x: score(0, 0.2) },
  },
  { id: 'b', task: 't1', prompt: 'lacks x', models: { y: score(1, 0.5) } },
  {
    id: 'c',
    prompt: 'has one more',
    question: '',
    models: { z: score(1, 1), y: score(0.5, 0.25), x: score(0.25, 0.1) },
  },
  { id: 'd', task: 't2', prompt: 'no quality', models: { y: score(null, 0.5), x: score(0, 0.2) } },
  { id: 'e', task: 't2', prompt: 'no cost', models: { y: score(1, null), x: score(0, 0.2) } },
  { id: 'f', task: 't2', prompt: 'Why?\u2028 ', models: { y: score(0, 0.5), x: score(0, 0.2) } },
  { id: 'g', task: 't3', prompt: 'ünï©ode '.repeat(20_000), models: { y: score(0, 0), x: score(1, 0.3) } },
];

function write(name: string, lines: readonly unknown[]): string {
  const file = join(folder, name);
  const text = `${lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n')}\n`;
  writeFileSync(file, name.endsWith('.gz') ? gzipSync(text) : text);
  return file;
}

describe('loadRecordedOutcomes', () => {
  it.each(['rows.jsonl', 'rows.jsonl.gz'])(
    'keeps rows in which every model of the first row has answered (%s)',
    async (name) => {
      const data = await loadRecordedOutcomes(write(name, ROWS));
      expect(data.models).toEqual(['x', 'y']);
      expect(data.queries.map((query) => query.id)).toEqual(['a', 'c', 'g']);
      expect(data.queries[0]).toEqual({ id: 'a', task: 't1', text: 'Why?\u2028', quality: [0, 1], cost: [0.2, 0.5] });
      expect(data.queries[1]).toMatchObject({ task: '', text: 'has one more', quality: [0.25, 0.5] });
      expect(data.queries[2].text).toBe('ünï©ode '.repeat(20_000));
      expect(data.leftOut).toEqual({ incomplete: 2, costless: 1, repeated: 1 });
      expect(notesOn(data)).toEqual([
        expect.stringMatching(/rows left out: 2 without a quality .*, 1 without a cost .*, 1 whose text/),
        expect.stringMatching(/models left out because the first row lacks them: z$/),
      ]);
    },
  );

  it('stops at the limit', async () => {
    const data = await loadRecordedOutcomes(write('limit.jsonl.gz', [...ROWS.slice(0, 4), 'not read']), { limit: 2 });
    expect(data.queries.map((query) => query.id)).toEqual(['a', 'c']);
  });

  it('keeps rows without costs and repeated rows on request', async () => {
    const data = await loadRecordedOutcomes(write('all.jsonl', ROWS), { withoutCosts: true, withRepeats: true });
    expect(data.queries.map((query) => query.id)).toEqual(['a', 'c', 'e', 'f', 'g']);
    expect(data.queries[2].cost).toEqual([0.2, Number.NaN]);
    expect(data.leftOut).toEqual({ incomplete: 2, costless: 0, repeated: 0 });
  });

  it('names the place where a file is wrong', async () => {
    const broken = write('broken.jsonl', [ROWS[0], '', '{"id": ']);
    await expect(loadRecordedOutcomes(broken)).rejects.toThrow(`${broken}, line 3 is not JSON`);
    const wrong = write('wrong.jsonl', [ROWS[0], { id: 'h', prompt: 'p', models: { x: { quality: 7, cost: 1 } } }]);
    await expect(loadRecordedOutcomes(wrong)).rejects.toThrow(`${wrong}, line 2, models.x.quality: `);
    const plain = join(folder, 'plain.jsonl.gz');
    writeFileSync(plain, JSON.stringify(ROWS[0]));
    await expect(loadRecordedOutcomes(plain)).rejects.toThrow(`Cannot read ${plain}: incorrect header check`);
    const cut = join(folder, 'cut.jsonl.gz');
    writeFileSync(cut, gzipSync(JSON.stringify(ROWS)).subarray(0, -20));
    await expect(loadRecordedOutcomes(cut)).rejects.toThrow(`Cannot read ${cut}: unexpected end of file`);
    await expect(loadRecordedOutcomes(join(folder, 'none.jsonl.gz'))).rejects.toThrow('ENOENT');
    await expect(loadRecordedOutcomes(write('empty.jsonl', []))).rejects.toThrow('holds no queries');
  });

  it('skips byte order marks, and rejects what is not UTF-8', async () => {
    const [first, second] = [ROWS[0], ROWS[2]].map((row) => `\ufeff${JSON.stringify(row)}\r`);
    const { queries } = await loadRecordedOutcomes(write('marked.jsonl', [first, second]));
    expect(queries.map(({ id }) => id)).toEqual(['a', 'c']);
    const refused = async (name: string, bytes: Buffer, message: string) => {
      const file = join(folder, name);
      writeFileSync(file, bytes);
      await expect(loadRecordedOutcomes(file)).rejects.toThrow(`${file}${message}`);
    };
    const text = `${JSON.stringify(ROWS[0])}\n{"id":"caf\u00e9"}`;
    await refused('latin1.jsonl', Buffer.from(text, 'latin1'), ', line 2 is not UTF-8');
    await refused('utf16.jsonl', Buffer.from(`\ufeff${text}`, 'utf16le'), ' is UTF-16: it must be UTF-8.');
    await refused('zipped.jsonl', gzipSync(text), ' is gzipped: its name must end in .gz.');
  });

  it('requires costs by default', async () => {
    const file = write('costless.jsonl.gz', [{ ...ROWS[0], models: { x: score(1, null) } }]);
    await expect(loadRecordedOutcomes(file)).rejects.toThrow(
      `${file} records no costs (they are null), and costs are needed`,
    );
  });
});

const shared = fileURLToPath(new URL('../../../shared/data/', import.meta.url));
const routerbench = `${shared}routerbench_rdc.jsonl.gz`;

describe('recorded prices', () => {
  it('reject a model that never costs anything', async () => {
    const data = await loadRecordedOutcomes(write('free.jsonl', [{ ...ROWS[0], models: { x: score(1, 0) } }]));
    expect(() => recordedPrices(data, 1)).toThrow('x costs nothing');
    expect(recordedOutputTokens({ output: 1 }, 0)).toBe(0);
    expect(recordedOutputTokens({ output: 1 }, 1e-9)).toBe(1);
  });

  it.skipIf(!existsSync(routerbench))(
    `reproduce recorded costs through tokens (skipped where ${routerbench} is absent)`,
    async () => {
      const data = await loadRecordedOutcomes(routerbench);
      expect(data.queries).toHaveLength(2205);
      expect(data.models).toHaveLength(11);
      expect(data.leftOut).toEqual({ incomplete: 0, costless: 0, repeated: 0 });
      const prices = recordedPrices(data, 7);
      expect(recordedPrices(data, 7)).toEqual(prices);
      for (const [model, price] of prices.entries()) {
        let [recorded, billed, tokens, worst] = [0, 0, 0, 0];
        for (const { cost } of data.queries) {
          const output = recordedOutputTokens(price, cost[model]);
          const bill = (output * price.output) / 1e6;
          if (output >= 150) worst = Math.max(worst, Math.abs(bill / cost[model] - 1));
          recorded += cost[model];
          billed += bill;
          tokens += output / data.queries.length;
        }
        expect(worst).toBeLessThanOrEqual(0.5 / 150 + 1e-4);
        // At most 0.021 % over three seeds.
        expect(Math.abs(billed / recorded - 1)).toBeLessThan(3e-4);
        // exp(±0.9): three standard deviations of the list price's noise.
        expect(Math.abs(Math.log(tokens / TOKENS_PER_ANSWER))).toBeLessThan(0.9);
      }
    },
  );

  it.skipIf(!existsSync(routerbench))(
    `shuffle before cutting, and return matrices (skipped where ${routerbench} is absent)`,
    async () => {
      const data = await loadRecordedOutcomes(routerbench);
      const some = shuffledQueries(data, seededRandom(3), 200);
      expect(some).toHaveLength(200);
      expect(shuffledQueries(data, seededRandom(3)).slice(0, 200)).toEqual(some);
      expect(new Set(some.map((query) => query.task)).size).toBe(new Set(data.queries.map((query) => query.task)).size);
      expect(recordedOutcomes(some).cost[17]).toEqual(some[17].cost);
    },
  );

  it.skipIf(!existsSync(shared))(`reject files without costs (skipped where ${shared} is absent)`, async () => {
    await expect(loadRecordedOutcomes(`${shared}ulab_llmrouter9.jsonl.gz`)).rejects.toThrow('costs are needed');
  });
});
