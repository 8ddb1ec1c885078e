import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import { backUpLog, exportLog, logStats } from '../../src/cli/log.ts';
import { withdrawRatings } from '../../src/cli/log-changes.ts';
import { run } from '../../src/cli/program.ts';
import { loadRecordedOutcomes } from '../../src/recorded/recorded-outcomes.ts';
import { type RecordedRow, readRecordedRows } from '../../src/recorded/recorded-row.ts';
import { SqliteEventStore } from '../../src/store/sqlite/sqlite-event-store.ts';
import { completed, decided, rated } from '../gateway/unit/support.ts';
import { ask, plainAnswer, send, settled, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'mixllm-log-'));
const config = join(folder, 'mixllm.yaml');
const storage = { url: `sqlite:${join(folder, 'log.db')}` };
writeFileSync(
  config,
  stringify({
    providers: { p: { type: 'openai', api_key: 'sk-x' } },
    models: [{ id: 'm', provider: 'p', price: { input: 1, output: 1 } }],
    storage,
  }),
);
let test: TestGateway;
beforeAll(async () => {
  test = await usedGateway();
});
afterAll(async () => {
  await test.close();
  rmSync(folder, { recursive: true });
});
afterEach(() => void vi.restoreAllMocks());

/** A gateway that answered four queries, one of them rated twice, and failed one. */
async function usedGateway() {
  const refuse = () => {
    throw new Error('down');
  };
  const test = await startTestGateway({
    answers: { big: plainAnswer(), small: plainAnswer(), broken: refuse },
    config: { storage },
  });
  for (const model of ['big', 'big', 'big', 'small']) {
    const answer = await send(`${test.url}/v1/chat/completions`, ask('A secret question', { model }));
    expect(answer.status).toBe(200);
    if (model === 'big') continue;
    await send(`${test.url}/feedback`, { id: answer.json.id, score: 0.5, comment: 'a secret comment' });
    await send(`${test.url}/feedback`, { id: answer.json.id, score: 1, source: 'judge' });
  }
  const headers = { 'x-mixllm-no-fallback': 'true' };
  const failed = await send(`${test.url}/v1/chat/completions`, ask('?', { model: 'broken' }), { headers });
  expect(failed.status).toBeGreaterThanOrEqual(500);
  await settled(test);
  return test;
}

describe('mixllm log', () => {
  it('backs up the log of a running gateway, readable by its user only, and overwrites only if told to', async () => {
    const out = join(folder, 'backups', 'copy.db');
    const told = vi.spyOn(console, 'error').mockImplementation(() => {});
    await backUpLog({ config, out });
    const copy = new SqliteEventStore(out);
    const [events, original] = [await copy.readAfter(0, 1000), await test.gateway.store.readAfter(0, 1000)];
    await copy.close();
    expect(events).toEqual(original);
    expect(told).toHaveBeenCalledWith(`${out}: the event log up to event ${original.length} or later`);
    expect(statSync(out).mode & 0o027).toBe(0);
    await expect(backUpLog({ config, out })).rejects.toThrow('--force');
    await backUpLog({ config, out, force: true });
    expect(readdirSync(join(folder, 'backups'))).toEqual(['copy.db']);
    writeFileSync(`${out}-wal`, 'of a gateway that was killed');
    await expect(backUpLog({ config, out, force: true })).rejects.toThrow(/-wal exists/);
    await expect(backUpLog({ config, out: '/dev/null', force: true })).rejects.toThrow('/dev/null is not a file');
  });

  it('exports and summarises what a running gateway has recorded', async () => {
    const printed: string[] = [];
    vi.spyOn(console, 'error').mockImplementation((line) => printed.push(line));
    vi.spyOn(console, 'log').mockImplementation((line) => printed.push(line));

    const out = join(folder, 'export.jsonl.gz');
    await exportLog({ config, out });
    expect(printed.pop()).toBe(`${out}: 4 decisions, 1 of them rated; 1 that no model answered are left out`);
    const rows: RecordedRow[] = [];
    for await (const { row } of readRecordedRows(out)) rows.push(row);
    expect(rows.map(({ models }) => Object.keys(models))).toEqual([['big'], ['big'], ['big'], ['small']]);
    expect(rows[3]).toMatchObject({
      prompt: null,
      models: { small: { quality: 0.75, inTokens: 20, outTokens: 10 } },
      context: { featureMap: expect.stringMatching(/^lexical-/) },
      chosenBy: 'request',
      propensity: 1,
      choice: { model: 'small', costUnit: expect.any(Number), candidates: { small: { propensity: 1 } } },
      outcome: 'ok',
      ratings: [
        { source: 'user', score: 0.5 },
        { source: 'judge', score: 1 },
      ],
    });
    expect(rows[0].models.big).toMatchObject({ quality: null, cost: expect.any(Number), latencyS: expect.any(Number) });
    expect(JSON.stringify(rows)).not.toMatch(/secret/);
    await expect(loadRecordedOutcomes(out)).rejects.toThrow(/export\.jsonl\.gz, line 1, prompt: it is absent/);
    expect(statSync(out).mode & 0o027).toBe(0);
    await expect(exportLog({ config, out })).rejects.toThrow(/--force/);

    await logStats({ config, json: true });
    expect(JSON.parse(printed.pop() ?? '')).toMatchObject({
      decisions: 5,
      answered: 4,
      rated: 1,
      models: [
        { model: 'big', answers: 3, share: 0.75, mean_rating: null },
        { model: 'small', answers: 1, rated: 1, mean_rating: 0.75, mean_output_tokens: 10 },
      ],
    });
    await logStats({ config });
    expect(printed.at(-1)).toMatch(
      /5 decisions, 4 answered, 1 rated, [\d.]+ USD\n.*\n\nmodel .*\n-.*\nbig +3 +75\.0 %/,
    );
    await logStats({ config, since: Date.now() + 1000 });
    expect(printed.at(-1)).toMatch(/no decisions/);

    // The gateway is not disturbed.
    expect((await send(`${test.url}/v1/chat/completions`, ask('?'))).status).toBe(200);
  });

  it('prints nothing but lines of JSON on standard output', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [MAIN, 'log', 'export', '-c', config]);
    const lines = stdout.trim().split('\n');
    expect(lines.length).toBeGreaterThanOrEqual(4);
    for (const line of lines) expect(JSON.parse(line)).toHaveProperty('context');
  });

  it('accepts dates and times, and nothing else', async () => {
    const [printed, complaints]: string[][] = [[], []];
    vi.spyOn(console, 'log').mockImplementation((text) => printed.push(text));
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => complaints.push(String(text)) > 0);
    vi.spyOn(process, 'exit').mockImplementation(() => {
      throw new Error('exit');
    });
    const stats = (...options: string[]) => run(['node', 'mixllm', 'log', 'stats', '-c', config, ...options]);
    await stats('--since', '2020-02-29', '--json');
    expect(JSON.parse(printed[0]).answered).toBeGreaterThanOrEqual(4);
    await stats('--until', '2020-01-01T00:00:00.5+01:00', '--json');
    expect(JSON.parse(printed[1])).toMatchObject({ decisions: 0 });
    for (const wrong of ['2026-02-30', '2026-13-01', '2026-01-01T10:00', 'yesterday', '']) {
      await expect(stats('--since', wrong)).rejects.toThrow('exit');
      expect(complaints.join('')).toContain('must be a date');
      complaints.length = 0;
    }
  });

  it('does not count implicit signals as ratings', async () => {
    const other = join(folder, 'hints.yaml');
    writeFileSync(other, readFileSync(config, 'utf8').replace('log.db', 'hints.db'));
    const store = new SqliteEventStore(join(folder, 'hints.db'));
    await store.append([decided('d'), completed('d'), rated('d', 'a', 0.2, 'implicit:abort')]);
    await store.close();
    const printed: string[] = [];
    vi.spyOn(console, 'error').mockImplementation((line) => printed.push(line));
    await exportLog({ config: other, out: join(folder, 'hints.jsonl') });
    expect(printed).toEqual([expect.stringMatching(/1 decisions, 0 of them rated$/)]);
  });

  it('deletes decisions by id, key and time, as far as a snapshot holds what they taught', async () => {
    const other = join(folder, 'deletions.yaml');
    writeFileSync(other, readFileSync(config, 'utf8').replace('log.db', 'deletions.db'));
    const store = new SqliteEventStore(join(folder, 'deletions.db'));
    const decision = (id: string, key: string, time: number) => [
      { ...decided(id), key, time },
      completed(id),
      { ...rated(id, `fb-${id}`, 1), comment: `about ${id}` },
    ];
    const told = vi.spyOn(console, 'error').mockImplementation(() => {});
    const remove = (...options: string[]) => run(['node', 'mixllm', 'log', 'delete', '-c', other, ...options]);
    const left = async () => {
      const decisions = (await store.readAfter(0, 100)).flatMap((event) => (event.type === 'decided' ? [event] : []));
      return decisions.map(({ decisionId }) => decisionId);
    };
    const [early, late] = [Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 2)];
    await store.append([...decision('a1', 'a', early), ...decision('a2', 'a', late), ...decision('b1', 'b', early)]);
    await store.append([...decision('b2', 'b', late), ...decision('last', 'a', late)]);
    await expect(remove('--id', 'a1')).rejects.toThrow('1 decisions stay');
    await store.saveSnapshot('learner', { sequence: 15, body: new Uint8Array(1) });
    await remove('--id', 'a1,chatcmpl-a2');
    expect(told).toHaveBeenLastCalledWith('1 decisions deleted, 1 not found');
    expect(await left()).toEqual(['a2', 'b1', 'b2', 'last']);
    expect(await store.findDecision('fb-a1')).toEqual([]);
    await remove('--key', 'b', '--until', '2026-01-02');
    expect(await left()).toEqual(['a2', 'b2', 'last']);
    // The newest event identifies the log.
    await expect(remove('--key', 'a')).rejects.toThrow('1 decisions stay');
    expect(await left()).toEqual(['b2', 'last']);
    const bytes = ['', '-wal'].map((end) => readFileSync(join(folder, `deletions.db${end}`), 'latin1')).join('');
    expect(new Set(bytes.match(/about \w+/g))).toEqual(new Set(['about b2', 'about last']));
    for (const wrong of [[], ['--id', 'b2', '--key', 'b']])
      await expect(remove(...wrong)).rejects.toThrow('either --id');
    await store.close();
  });

  it('withdraws the ratings of a source or a key, while a gateway runs', async () => {
    const other = join(folder, 'withdrawals.yaml');
    const log = `sqlite:${join(folder, 'withdrawals.db')}`;
    writeFileSync(other, readFileSync(config, 'utf8').replace(storage.url, log));
    const told = vi.spyOn(console, 'error').mockImplementation(() => {});
    const withdraw = (...options: string[]) => run(['node', 'mixllm', 'log', 'withdraw', '-c', other, ...options]);
    const gateway = await startTestGateway({ config: { storage: { url: log } } });
    const counts = async () => {
      const { json } = await send(`${gateway.url}/v1/route`, ask('?'));
      return json.models.map(({ ratings }: { ratings: number }) => ratings);
    };
    for (const [model, source, score] of [
      ['big', 'judge', 1],
      ['big', 'judge', 0],
      ['small', 'user', 1],
    ]) {
      const { json } = await send(`${gateway.url}/v1/chat/completions`, ask('A question', { model }));
      for (const again of [0.5, score]) await send(`${gateway.url}/feedback`, { id: json.id, score: again, source });
    }
    expect((await counts()).slice(0, 2)).toEqual([2, 1]);
    await expect(withdraw()).rejects.toThrow('--source, --key');
    await withdraw('--source', 'judge', '--until', '2020-01-01');
    await withdraw('--key', 'nobody');
    expect(told).toHaveBeenLastCalledWith('0 ratings withdrawn');
    for (const number of [4, 0]) {
      await withdraw('--source', 'judge');
      expect(told).toHaveBeenLastCalledWith(`${number} ratings withdrawn`);
    }
    // The gateway reads what others wrote when it writes something itself, or after a second.
    await send(`${gateway.url}/v1/chat/completions`, ask('A question', { model: 'small' }));
    await until(async () => (await counts())[0] === 0);
    expect((await counts()).slice(0, 2)).toEqual([0, 1]);
    await gateway.close();
  });

  it('withdraws and deletes in turns with a running gateway, and empties the write-ahead log at the end', async () => {
    const other = join(folder, 'turns.yaml');
    const path = join(folder, 'turns.db');
    writeFileSync(other, readFileSync(config, 'utf8').replace('log.db', 'turns.db'));
    const ids = Array.from({ length: 90 }, (_, i) => `d${i}`);
    const store = new SqliteEventStore(path);
    await store.append(ids.flatMap((id) => [decided(id), completed(id), rated(id, `fb-${id}`, 1, 'judge')]));
    const told = vi.spyOn(console, 'error').mockImplementation(() => {});
    let isDone = false;
    const withdrawal = withdrawRatings({ config: other, source: 'judge' }).finally(() => {
      isDone = true;
    });
    // Read once in each turn of the event loop, so that no pause can be missed.
    const reader = new DatabaseSync(path, { readOnly: true });
    const length = reader.prepare('SELECT count(*) AS events FROM events');
    const lengths = new Set<unknown>();
    while (!isDone) {
      lengths.add(length.get()?.events);
      await nextTurn();
    }
    reader.close();
    await withdrawal;
    expect(told).toHaveBeenLastCalledWith('90 ratings withdrawn');
    expect([...lengths]).toEqual(expect.arrayContaining([270, 310, 350]));
    expect(statSync(`${path}-wal`).size).toBe(0);

    await store.saveSnapshot('learner', { sequence: 360, body: new Uint8Array(1) });
    await store.append([decided('newest')]);
    // In a process of its own, which nothing but the pauses keeps alive.
    const command = [MAIN, 'log', 'delete', '-c', other, '--id', ids.join()];
    const { stderr } = await promisify(execFile)(process.execPath, command);
    expect(stderr).toBe('90 decisions deleted, 0 not found\n');
    expect(statSync(`${path}-wal`).size).toBe(0);
    await store.close();
  });

  it('says if there is no log', async () => {
    const other = join(folder, 'other.yaml');
    writeFileSync(other, readFileSync(config, 'utf8').replace('log.db', 'none.db'));
    await expect(logStats({ config: other })).rejects.toThrow(/no event log at .*none\.db/);
  });
});
