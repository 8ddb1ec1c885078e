import { beforeEach, describe, expect, it } from 'vitest';
import type { GatewayEvent } from '../../../src/domain/events.ts';
import { activeRatings } from '../../../src/domain/ratings.ts';
import type { FeedbackRequest } from '../../../src/domain/selection.ts';
import { observationsOf } from '../../../src/gateway/learning/observations.ts';
import { recordedObservations } from '../../../src/offline/arms/recorded-observations.ts';
import { type DecisionRecord, type Period, readDecisions } from '../../../src/offline/log/decision-records.ts';
import { exportRow } from '../../../src/offline/log/export-row.ts';
import { LogSummarizer, type LogSummary } from '../../../src/offline/log/log-summary.ts';
import type { RecordedRow } from '../../../src/recorded/recorded-row.ts';
import {
  completed,
  DIMENSIONS,
  decided,
  FEATURE_MAP,
  randomStream,
  rated,
  withdrawn,
} from '../../gateway/unit/support.ts';
import { FakeStore } from '../../support/fake-store.ts';

let store: FakeStore;
beforeEach(() => {
  store = new FakeStore();
});

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

const read = (period?: Period, onBatch?: (share: number) => void) => collect(readDecisions(store, period, onBatch));

const at = <E extends GatewayEvent>(time: number, event: E): E => ({ ...event, time });

describe('readDecisions', () => {
  it('joins the events of each decision, over many batches', async () => {
    const events = randomStream(700, 3);
    expect(events.length).toBeGreaterThan(2000);
    await store.append(events);
    const shares: number[] = [];
    const records = await read({}, (share) => shares.push(share));
    expect(records).toHaveLength(700);
    const byId = Map.groupBy(events, ({ decisionId }) => decisionId);
    for (const { decided, completed, ratings } of records) {
      const own = byId.get(decided.decisionId) ?? [];
      expect(decided).toMatchObject(own.find(({ type }) => type === 'decided') ?? {});
      expect(completed).toMatchObject(own.find(({ type }) => type === 'completed') ?? {});
      expect(ratings).toMatchObject(activeRatings(own));
    }
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.length).toBeGreaterThanOrEqual(4);
    expect([Math.min(...shares) < 0.3, Math.max(...shares) > 0.7, Math.max(...shares) <= 1]).toEqual([
      true,
      true,
      true,
    ]);
  });

  it('selects by the time of the decision, whenever its other events came', async () => {
    await store.append([at(100, decided('a')), at(200, decided('b')), at(300, decided('c'))]);
    await store.append(['a', 'b', 'c'].map((id) => at(900, completed(id))));
    await store.append([at(5000, rated('b', 'fb', 1))]);
    const ids = async (period: Period) => (await read(period)).map(({ decided }) => decided.decisionId);
    expect(await ids({ since: 200, until: 300 })).toEqual(['b']);
    expect(await ids({ since: 201 })).toEqual(['c']);
    expect(await ids({ until: 201 })).toEqual(['a', 'b']);
    expect((await read({ since: 200, until: 300 }))[0].ratings).toMatchObject([{ score: 1 }]);
  });

  it('returns incomplete decisions last, and ignores events that arrive while it reads', async () => {
    await store.append([decided('open'), decided('done'), completed('done')]);
    const reading = readDecisions(store);
    const first = await reading.next();
    await store.append([completed('open'), decided('later'), completed('later')]);
    expect(first.value).toMatchObject({ decided: { decisionId: 'done' } });
    expect(await collect(reading)).toMatchObject([{ decided: { decisionId: 'open' }, completed: null }]);
  });

  it('returns nothing for an empty log', async () => {
    expect(await read()).toEqual([]);
  });
});

describe('exportRow', () => {
  const record = async (...events: GatewayEvent[]) => {
    await store.append(events);
    return (await read())[0];
  };

  it('has only the model that answered', async () => {
    const decision = {
      ...decided('d', { arm: 'big', propensity: 0.25, weight: 0.8 }),
      time: Date.UTC(2026, 10, 25, 14),
    };
    const ratings = [rated('d', 'a', 0), rated('d', 'b', 0.5), rated('d', 'c', 1, 'judge'), rated('d', 'x', 0, 'test')];
    ratings[2].comment = 'private';
    const row = exportRow(await record(decision, completed('d'), ...ratings, withdrawn('d', 'x')));
    const time = '2023-11-14T22:13:22.000Z';
    expect(row).toEqual({
      id: 'd',
      task: 'small talk',
      prompt: null,
      models: { big: { quality: 0.75, cost: 0.002, inTokens: 120, outTokens: 250, latencyS: 1.5 } },
      time: '2026-11-25T14:00:00.000Z',
      context: { featureMap: 'map-1', values: [1, 0.5, -1, 2] },
      weight: 0.8,
      chosenBy: 'score',
      propensity: 0.25,
      choice: {
        model: 'big',
        costUnit: decision.decision.referenceMeanCostUsd,
        candidates: Object.fromEntries(
          decision.decision.arms.map(({ arm, propensity, quality, costUsd: cost }) => [
            arm,
            { propensity, quality, cost },
          ]),
        ),
      },
      outcome: 'ok',
      ratings: [
        { source: 'user', score: 0.5, time },
        { source: 'judge', score: 1, time },
      ],
    });
  });

  it("includes the learner's reward and weight where they differ from the score, but no implicit signals", async () => {
    const ratings = [
      { ...rated('d', 'a', 0), volunteered: { good: 1, bad: 0.5 } },
      { ...rated('d', 'b', 1, 'judge'), reliability: { truePositive: 0.8, falsePositive: 0.2 } },
      { ...rated('d', 'c', 0, 'implicit:abort'), weight: 0.2 },
    ];
    const unasked = await record(decided('d'), completed('d'), ...ratings);
    expect(exportRow(unasked)?.ratings).toMatchObject([
      { source: 'user', score: 0, weight: 0.5, volunteered: true },
      { source: 'judge', score: 1, reward: expect.closeTo(4 / 3, 12), weight: expect.closeTo(0.36, 12) },
    ]);
    const ask: FeedbackRequest = { audit: true, auditProbability: 0.02, teaches: false };
    const decision = { ...unasked.decided.decision, ask };
    const [asked] = exportRow({ ...unasked, decided: { ...unasked.decided, decision } })?.ratings ?? [];
    expect(asked).not.toHaveProperty('weight');
    expect(asked).not.toHaveProperty('volunteered');
    expect(asked.inclusionWeight).toBe(50);
  });

  it('has no propensity if another model answered, and no quality if nobody rated', async () => {
    const row = exportRow(await record(decided('d'), completed('d', { arm: 'small', usage: null, serviceMs: null })));
    expect(row).toMatchObject({ propensity: null, ratings: [] });
    expect(row?.models).toEqual({
      small: { quality: null, cost: 0.002, inTokens: null, outTokens: null, latencyS: null },
    });
  });

  it('teaches the same as the log: no length that was estimated, broken off, or of several choices', async () => {
    const told = [completed('d'), completed('d', { usageEstimated: true }), completed('d', { outcome: 'aborted' })];
    for (const choices of [1, 3]) {
      for (const end of told) {
        store = new FakeStore();
        const events = [decided('d', { arm: 'big', choices }), end, rated('d', 'a', 0.25)];
        const row = exportRow(await record(...events));
        const arm = { id: 'big', price: { input: 1, output: 1 } };
        const taught = recordedObservations(row as RecordedRow, Float64Array.of(1), () => arm).map(({ kind }) => kind);
        const learned = [...observationsOf(events, FEATURE_MAP, DIMENSIONS).values()].map(({ kind }) => kind);
        expect(taught.sort(), JSON.stringify({ choices, end })).toEqual(learned.sort());
      }
    }
  });

  it('teaches no length cut off by a limit', async () => {
    const row = exportRow(await record(decided('d'), completed('d', { finishReason: 'length' }), rated('d', 'a', 1)));
    const arm = { id: 'big', price: { input: 1, output: 1 } };
    const taught = recordedObservations(row as RecordedRow, Float64Array.of(1), () => arm);
    expect(taught.map(({ kind }) => kind)).toEqual(['quality']);
  });

  it('uses the tag as the task', async () => {
    const tagged = decided('d', { tag: 'grade-school maths' });
    expect(exportRow(await record(tagged, completed('d')))?.task).toBe('grade-school maths');
  });

  it.each([completed('d', { arm: null, outcome: 'failed' }), null])('is null without an answer', async (end) => {
    expect(exportRow(await record(decided('d'), ...(end ? [end] : [])))).toBeNull();
  });
});

describe('LogSummarizer', () => {
  const summarize = (records: readonly DecisionRecord[]): LogSummary => {
    const summarizer = new LogSummarizer();
    for (const record of records) summarizer.add(record);
    return summarizer.summary();
  };

  it('agrees with the exported lines', async () => {
    await store.append(randomStream(200, 5));
    const records = await read();
    const rows = records.flatMap((record) => exportRow(record) ?? []);
    const summary = summarize(records);
    expect(summary).toMatchObject({ decisions: 200, answered: rows.length, feature_maps: { 'map-1': 200 } });
    expect(summary.rated).toBe(rows.filter(({ ratings }) => (ratings ?? []).length > 0).length);
    expect(summary.models.map(({ model }) => model).sort()).toEqual(['big', 'mid', 'small']);
    for (const of of summary.models) {
      const own = rows.flatMap(({ models }) => models[of.model] ?? []);
      const mean = (values: (number | null | undefined)[]) => {
        const known = values.filter((value) => typeof value === 'number');
        return known.reduce((sum, value) => sum + value, 0) / known.length;
      };
      expect(of.answers).toBe(own.length);
      expect(of.share).toBeCloseTo(own.length / rows.length, 12);
      expect(of.rated).toBe(own.filter(({ quality }) => quality !== null).length);
      expect(of.mean_rating).toBeCloseTo(mean(own.map(({ quality }) => quality)), 12);
      const abandoned = records.flatMap(({ decided, completed }) =>
        completed?.arm === null && decided.decision.arm === of.model ? (completed.costUsd ?? 0) : [],
      );
      expect(of.cost_usd).toBeCloseTo(0.002 * own.length + abandoned.reduce((sum, usd) => sum + usd, 0), 9);
      expect(of.mean_cost_usd).toBeCloseTo(0.002, 12);
      expect(of.mean_input_tokens).toBe(100);
      expect(of.mean_output_tokens).toBeCloseTo(mean(own.map(({ outTokens }) => outTokens)), 9);
      expect(of.mean_latency_s).toBeCloseTo(mean(own.map(({ latencyS }) => latencyS)), 9);
    }
    expect(summary.models.map(({ answers }) => answers)).toEqual(
      summary.models.map(({ answers }) => answers).sort((a, b) => b - a),
    );
  });

  it('reports the period, the feature maps, and unknown values as null', async () => {
    await store.append([at(1000, decided('a')), at(0, decided('b', {}, [1, 2], 'map-0')), at(500, decided('c'))]);
    await store.append([
      completed('a', { usage: null, costUsd: null, serviceMs: null }),
      // The client left before an answer; the call costs money anyway.
      completed('b', { arm: null, outcome: 'aborted', costUsd: 0.0006 }),
    ]);
    expect(summarize(await read())).toEqual({
      decisions: 3,
      answered: 1,
      rated: 0,
      cost_usd: 0.0006,
      first: '1970-01-01T00:00:00.000Z',
      last: '1970-01-01T00:00:01.000Z',
      feature_maps: { 'map-1': 2, 'map-0': 1 },
      models: [
        {
          ...{ model: 'big', answers: 1, share: 1, rated: 0, mean_rating: null, cost_usd: 0.0006, mean_cost_usd: null },
          ...{ mean_input_tokens: null, mean_output_tokens: null, mean_latency_s: null },
        },
      ],
      keys: [],
    });
    await store.append(['d', 'e', 'f'].map((id) => ({ ...decided(id), key: id === 'e' ? 'shop' : 'lab' })));
    await store.append(['d', 'e', 'f'].map((id) => completed(id)));
    expect(summarize(await read()).keys).toMatchObject([
      { key: 'lab', answers: 2, share: 0.5 },
      { key: 'shop', answers: 1, share: 0.25 },
    ]);
    expect((await read()).map(exportRow).map((row) => row?.key)).toEqual(expect.arrayContaining(['lab', 'shop']));
    expect(summarize([])).toMatchObject({ decisions: 0, first: null, last: null, models: [] });
  });

  it('counts calls that were abandoned before an answer for their model and key, so that the costs add up', async () => {
    await store.append(['a', 'b'].map((id) => ({ ...decided(id), key: id === 'a' ? 'shop' : 'lab' })));
    const abandoned = { arm: null, outcome: 'aborted', costUsd: 0.0006 } as const;
    const attempts = [{ arm: 'small', result: 'aborted', status: null, durationMs: 1 } as const];
    await store.append([completed('a', { costUsd: 0.002 }), completed('b', { ...abandoned, attempts })]);
    const summary = summarize(await read());
    expect(summary).toMatchObject({ answered: 1, cost_usd: 0.0026 });
    expect(summary.models).toMatchObject([
      { model: 'big', answers: 1, share: 1, cost_usd: 0.002, mean_cost_usd: 0.002 },
      { model: 'small', answers: 0, share: 0, cost_usd: 0.0006, mean_cost_usd: null },
    ]);
    expect(summary.keys.map(({ key, cost_usd }) => [key, cost_usd])).toEqual([
      ['shop', 0.002],
      ['lab', 0.0006],
    ]);
  });
});
