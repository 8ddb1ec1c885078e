import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import { check } from '../../src/cli/check.ts';
import { exportLog } from '../../src/cli/log.ts';
import { trainArmsCommand } from '../../src/cli/train-arms.ts';
import { cleanup } from '../support/cleanup.ts';
import { ask, send, settled, startTestGateway, type TestGateway } from '../support/gateway.ts';

const kept = cleanup();
const folder = mkdtempSync(join(tmpdir(), 'mixllm-warm-start-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => void vi.restoreAllMocks());

const path = (name: string) => join(folder, name);
const config = path('mixllm.yaml');
const arms = path('arms.json');
const QUERY = 'Add 70 and 73.';

/** The models of the test gateway. */
const models = [
  { id: 'big', provider: 'p', price: { input: 10, output: 40 } },
  { id: 'small', provider: 'p', price: { input: 1, output: 4 } },
];

function writeConfig(sections: object = {}): void {
  writeFileSync(config, stringify({ providers: { p: { type: 'openai', api_key: 'sk-x' } }, models, ...sections }));
}

beforeAll(() => {
  writeConfig();
  const rows = Array.from({ length: 60 }, (_, i) => ({
    id: `q${i}`,
    prompt: i % 2 === 0 ? `Add ${i} and ${i + 3}.` : `Write a poem about the number ${i}.`,
    models: {
      'vendor/small-7b': { quality: i % 2 === 0 ? 1 : 0.2, cost: (8 + 40 * 4) / 1e6, inTokens: 8 },
      big: { quality: 0.6, outTokens: 700 },
      other: { quality: 1 },
    },
  }));
  writeFileSync(path('rows.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
});

function silenced(): string[] {
  const printed: string[] = [];
  for (const method of ['log', 'error'] as const)
    vi.spyOn(console, method).mockImplementation((line) => printed.push(line));
  return printed;
}

async function train(options: { data?: string[]; map?: string[]; out?: string } = {}): Promise<string> {
  const printed = silenced();
  await trainArmsCommand({ data: [path('rows.jsonl')], map: ['vendor/small-7b=small'], config, out: arms, ...options });
  vi.restoreAllMocks();
  return printed.join('\n');
}

const start = (file: string | null, warmStart?: string) =>
  startTestGateway({
    config: {
      storage: { url: file ? `sqlite:${path(file)}` : 'sqlite::memory:' },
      ...(warmStart && { learning: { warm_start: warmStart } }),
    },
  });

async function predicted(gateway: TestGateway, query = QUERY) {
  await settled(gateway);
  const { json } = await send(`${gateway.url}/v1/route`, ask(query));
  const of = (id: string) => {
    const { quality, quality_sd, output_tokens, cost_usd, ratings } = json.models.find(
      ({ model }: { model: string }) => model === id,
    );
    return { quality, quality_sd, output_tokens, cost_usd, ratings };
  };
  return { big: of('big'), small: of('small') };
}

async function use(gateway: TestGateway, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const model = i % 2 === 0 ? 'big' : 'small';
    const { json } = await send(`${gateway.url}/v1/chat/completions`, ask(`Add ${i} and 4.`, { model }));
    await send(`${gateway.url}/feedback`, { id: json.id, score: (i % 5) / 4 });
  }
  await settled(gateway);
}

describe('mixllm train arms', () => {
  it('changes the predictions of a fresh gateway, and every restart ends in the same numbers', async () => {
    const printed = await train();
    expect(printed).toContain('small: 60 ratings, 60 answer lengths');
    expect(printed).toMatch(/left out, .*: other\. --map NAME=ID/);
    const cold = await predicted(kept(await start(null)));
    let gateway = await start('warm.db', arms);
    const warm = await predicted(gateway);
    expect(warm.small.quality).toBeGreaterThan(warm.big.quality);
    expect(cold.small.quality).toBeLessThan(cold.big.quality);
    expect(warm.small.quality_sd).toBeLessThan(cold.small.quality_sd);
    expect([cold.small.ratings, warm.small.ratings]).toEqual([0, 60]);
    expect(warm.small.output_tokens).toBeGreaterThan(35);
    expect(warm.small.output_tokens).toBeLessThan(48);
    const poem = await predicted(gateway, 'Write a poem about the number 8.');
    expect(poem.small.quality).toBeLessThan(warm.small.quality - 0.1);

    await use(gateway, 6);
    const learned = await predicted(gateway);
    expect(learned).not.toEqual(warm);
    await gateway.close();
    // From the snapshot, then from the log alone.
    gateway = await start('warm.db', arms);
    expect(await predicted(gateway)).toEqual(learned);
    await gateway.close();
    const database = new DatabaseSync(path('warm.db'));
    database.exec('DELETE FROM snapshots');
    database.close();
    gateway = kept(await start('warm.db', arms));
    expect(await predicted(gateway)).toEqual(learned);
  });

  it("escapes terminal control sequences in model names from other people's files", async () => {
    const row = { id: 'q', prompt: QUERY, models: { big: { quality: 1 }, 'evil\u001b[2J': { quality: 0 } } };
    writeFileSync(path('evil.jsonl'), JSON.stringify(row));
    const printed = await train({ data: [path('evil.jsonl')], map: [], out: path('evil.json') });
    expect(printed).toContain('has these ids: evil\\u001b[2J. --map');
    writeFileSync(path('evil.json'), readFileSync(path('evil.json'), 'utf8').replace('"big"', '"b\\u001b[2Jig"'));
    writeConfig({ learning: { warm_start: path('evil.json') } });
    const told = silenced();
    check(config);
    vi.restoreAllMocks();
    writeConfig();
    expect(told.join('\n')).toContain('warm start: ratings of b\\u001b[2Jig 1; not in this config: b\\u001b[2Jig');
    expect([printed, ...told].join('')).not.toContain('\u001b');
  });

  it('rebuilds from the log when the warm-start file has changed or is gone', async () => {
    await train();
    let gateway = await start('changed.db', arms);
    await use(gateway, 4);
    const before = await predicted(gateway);
    await gateway.close();
    await train({ map: ['other=small'] });
    gateway = await start('changed.db', arms);
    expect((await predicted(gateway)).small.quality).toBeGreaterThan(before.small.quality);
    await gateway.close();
    const [alone, reference] = [kept(await start('changed.db')), kept(await start(null))];
    await use(reference, 4);
    expect((await predicted(alone)).small.quality).toBeCloseTo((await predicted(reference)).small.quality, 9);
  });

  it("carries a gateway's log over to another gateway, and never counts it twice", async () => {
    const first = await start('first.db');
    await use(first, 12);
    const taught = await predicted(first);
    await first.close();
    writeConfig({ storage: { url: `sqlite:${path('first.db')}` } });
    silenced();
    await exportLog({ config, out: path('export.jsonl.gz'), force: true });
    // Exports of overlapping periods hold the same decisions.
    const files = [path('export.jsonl.gz'), path('export.jsonl.gz')];
    const told = await train({ data: files, map: [], out: path('own.json') });
    expect(told).toContain('12 lines repeat a decision');

    const second = kept(await start('second.db', path('own.json')));
    const carried = await predicted(second);
    for (const model of ['big', 'small'] as const) {
      expect(carried[model].quality).toBeCloseTo(taught[model].quality, 9);
      expect(carried[model].quality_sd).toBeCloseTo(taught[model].quality_sd, 9);
    }
    const twice = kept(await start('first.db', path('own.json')));
    expect(twice.logged.join('')).toContain('it was made from this event log');
    expect(await predicted(twice)).toEqual(taught);
  });

  it('writes a file that is checked before the start, and refused if unusable', async () => {
    await train();
    const checked = (file: string) => {
      writeConfig({ learning: { warm_start: file } });
      const printed = silenced();
      check(config);
      return printed.join('\n');
    };
    expect(checked(arms)).toContain('warm start: ratings of big 60, small 60');
    const text = readFileSync(arms, 'utf8');
    const broken: [string, string, RegExp][] = [
      [
        'foreign.json',
        text.replace(/"feature_map": "lexical-\w+/, '"feature_map": "lexical-0'),
        /Recreate it: mixllm train arms --data .*--map/,
      ],
      ['damaged.json', text.slice(0, 900), /damaged\.json is damaged/],
      [
        'impossible.json',
        text.replace('"precision_rows": [\n     [60', '"precision_rows": [\n     [-6000'),
        /is damaged: .*positive/,
      ],
      ['none.json', '', /cannot be read: .*none\.json.* train arms/],
    ];
    for (const [name, content, complaint] of broken) {
      if (content) writeFileSync(path(name), content);
      expect(checked(path(name))).toMatch(complaint);
      await expect(start(null, path(name))).rejects.toThrow(complaint);
    }
    process.exitCode = 0;
  });

  it('says which arguments and files it cannot use', async () => {
    writeConfig();
    await expect(train({ map: ['vendor/small-7b'] })).rejects.toThrow(/it must be NAME=ID/);
    await expect(train({ map: ['a=none'] })).rejects.toThrow(/no model has the id "none"; choose from: big, small/);
    expect(await train({ map: ['absent=big'] })).toContain('no file has a model called absent');
    writeFileSync(path('strange.jsonl'), JSON.stringify({ id: '1', prompt: 'x', models: { y: { quality: 1 } } }));
    await expect(train({ data: [path('strange.jsonl')], map: [] })).rejects.toThrow(/teach nothing.*\n.*: y\. --map/);
  });
});
