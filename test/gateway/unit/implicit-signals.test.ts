import { describe, expect, it } from 'vitest';
import type { GatewayEvent, RatedEvent } from '../../../src/domain/events.ts';
import { EventLog } from '../../../src/gateway/event-log.ts';
import { type ImplicitSettings, ImplicitSignals } from '../../../src/gateway/implicit-signals.ts';
import { LearnerState } from '../../../src/gateway/learning/learner-state.ts';
import { Metrics } from '../../../src/gateway/metrics.ts';
import { meanScore } from '../../../src/offline/log/export-row.ts';
import { FakeStore } from '../../support/fake-store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import {
  completed,
  DIMENSIONS,
  decided,
  FEATURE_MAP,
  metricValue,
  numbered,
  RecordingLogger,
  rated,
  withdrawn,
} from './support.ts';

const SETTINGS: ImplicitSettings = {
  regenerate: { score: 0.2, weight: 0.1, withinMs: 60_000 },
  abort: { score: 0.3, weight: 0.05 },
};

function setUp(settings = SETTINGS) {
  const [store, clock, metrics] = [new FakeStore(), new ManualClock(), new Metrics()];
  const eventLog = new EventLog(store, clock, metrics, new RecordingLogger());
  const signals = new ImplicitSignals({ eventLog, clock, metrics });
  const begin = (content: string, sessionId: string | null = 's', name: string | null = null) => {
    const body = { model: 'auto', messages: [{ role: 'user', content }] };
    const key = name === null ? null : { name };
    return signals.begin({ request: { text: JSON.stringify(body), body }, key, sessionId }, settings);
  };
  const recorded = async () => {
    await eventLog.flush();
    return store.readAfter(0, 100);
  };
  return { begin, recorded, clock, metrics, signals };
}

describe('repeating a query in a session', () => {
  it('rates the previous plain answer as poor', async () => {
    const { begin, recorded, clock, metrics } = setUp();
    begin('x')(completed('first'));
    clock.advance(60_000);
    begin('x')(completed('second'));
    begin('x');
    begin('x');
    const common = { type: 'rated', source: 'implicit:regenerate', score: 0.2, weight: 0.1 };
    const events = await recorded();
    // The store writes an idempotency key once per decision.
    const again = { ...common, decisionId: 'second', idempotencyKey: 'implicit:regenerate' };
    expect(events).toMatchObject([{ ...common, decisionId: 'first' }, again]);
    expect(await metricValue(metrics.implicitSignals)).toBe(2);
    expect(JSON.stringify(events)).not.toContain('"x"');
  });

  it('is recognised however much another key asks meanwhile', async () => {
    const { begin, recorded } = setUp();
    begin('x', 's', 'a')(completed('first'));
    for (let i = 0; i < 20_100; i++) begin(`x ${i}`, 's', 'b')(completed(`other-${i}`));
    begin('x', 's', 'a');
    expect(await recorded()).toMatchObject([{ decisionId: 'first', source: 'implicit:regenerate' }]);
  });

  it.each<[string, (gateway: ReturnType<typeof setUp>) => void]>([
    [
      'after more than a minute',
      ({ begin, clock }) => {
        begin('x')(completed('d'));
        clock.advance(60_001);
        begin('x');
      },
    ],
    [
      'in another session',
      ({ begin }) => {
        begin('x')(completed('d'));
        begin('x', 'other');
      },
    ],
    [
      'in a session of that name of another key',
      ({ begin }) => {
        begin('x', 's', 'a')(completed('d'));
        begin('x', 's', 'b');
      },
    ],
    [
      'without a session',
      ({ begin }) => {
        begin('x', null)(completed('d'));
        begin('x', null);
      },
    ],
    [
      'while the first is under way',
      ({ begin }) => {
        const end = begin('x');
        begin('x');
        end(completed('d'));
      },
    ],
    [
      'after an answer that failed or broke off',
      ({ begin }) => {
        begin('x')(completed('d', { outcome: 'failed', arm: null }));
        begin('x')(completed('d', { outcome: 'interrupted' }));
        begin('x');
      },
    ],
    [
      'but another query',
      ({ begin }) => {
        begin('x')(completed('d'));
        begin('y');
      },
    ],
    [
      'that is very long',
      ({ begin }) => {
        begin('x'.repeat(300_000))(completed('d'));
        begin('x'.repeat(300_000));
      },
    ],
  ])('gives no rating %s', async (_, happen) => {
    const gateway = setUp();
    happen(gateway);
    expect(await gateway.recorded()).toEqual([]);
  });
});

describe('a client that leaves early', () => {
  it('gives a rating only if it has seen the beginning of the answer', async () => {
    const { begin, recorded, signals } = setUp();
    const left = { outcome: 'aborted', finishReason: null } as const;
    begin('x')(completed('a', left));
    begin('x')(completed('b', { ...left, arm: null, timeToFirstTokenMs: null }));
    begin('x')(completed('c', { outcome: 'ok' }));
    // It had the whole answer; only the connection was still open.
    begin('y')(completed('d', { ...left, finishReason: 'stop' }));
    const open = begin('z');
    signals.close();
    open(completed('cut by a shutdown', left));
    expect(await recorded()).toMatchObject([
      { decisionId: 'a', source: 'implicit:abort', score: 0.3, weight: 0.05, reliability: null },
    ]);
  });
});

it('gives no implicit ratings while both signals are off', async () => {
  const { begin, recorded } = setUp({ regenerate: null, abort: null });
  begin('x')(completed('a'));
  begin('x')(completed('b', { outcome: 'aborted' }));
  expect(await recorded()).toEqual([]);
});

describe('an implicit signal in the log', () => {
  const signal = (id: string): RatedEvent => ({ ...rated('d', id, 0.2, 'implicit:regenerate'), weight: 0.1 });
  const fold = (...events: GatewayEvent[]) => {
    const state = new LearnerState(FEATURE_MAP, DIMENSIONS);
    const stored = numbered([decided('d'), completed('d'), ...events]);
    stored.forEach((event, i) => void state.fold(event, stored.slice(0, i)));
    return state;
  };
  const weightOf = (state: LearnerState) => state.policy.ratingsOf('big');

  it('counts with its weight, gives way to any rating, and returns when that is withdrawn', () => {
    expect(weightOf(fold(signal('i')))).toBeCloseTo(0.1, 12);
    for (const events of [
      [signal('i'), rated('d', 'fb', 1)],
      [rated('d', 'fb', 1), signal('i')],
    ]) {
      expect(weightOf(fold(...events))).toBeCloseTo(1, 12);
      expect(weightOf(fold(...events, withdrawn('d', 'fb')))).toBeCloseTo(0.1, 12);
    }
  });

  it('does not count as a rating for the drift monitor or an export', () => {
    expect(fold(signal('i')).drift.statisticOf('big')).toBe(0);
    const [both, alone] = [fold(signal('i'), rated('d', 'fb', 0)), fold(rated('d', 'fb', 0))];
    expect(alone.drift.statisticOf('big')).toBeGreaterThan(0);
    expect(both.drift.statisticOf('big')).toBeGreaterThan(0);
    expect(meanScore([signal('i')])).toBeNull();
    expect(meanScore([signal('i'), rated('d', 'fb', 1)])).toBe(1);
  });
});
