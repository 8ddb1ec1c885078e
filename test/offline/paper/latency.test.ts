import { describe, expect, it } from 'vitest';
import {
  type Arrival,
  LIMIT_S,
  measureLatency,
  PENALTY,
  simulate,
  simulatedUpstreams,
  type TimedRouter,
  type Upstream,
} from '../../../src/offline/paper/latency.ts';
import { Agenda, SlotQueue } from '../../../src/offline/paper/slot-queue.ts';
import { seededRandom } from '../../../src/util/random.ts';
import { mean } from '../../../src/util/statistics.ts';
import { MINIMAL, parse } from '../../config/support.ts';
import { inventedData } from './support.ts';

const row = (quality = [1, 0.5]) => ({ context: Float64Array.of(1), task: '', quality, cost: [0.02, 0.01] });
const scale = { best: 0, quality: 1, cost: 0.02 };
const every = (gap: number, count: number): Arrival[] =>
  Array.from({ length: count }, (_, i) => ({ row: row(), time: i * gap, effort: 1 }));
const always = (model: number): TimedRouter => ({ choose: () => ({ model, predictedTokens: 0 }), completed: () => {} });

describe('a queue in simulated time', () => {
  it('makes the n-th request wait n (service − gap) with one slot that is too slow', () => {
    const queue = new SlotQueue(1);
    const waits = Array.from({ length: 50 }, (_, n) => queue.enter(n * 0.5, 2).begin - n * 0.5);
    expect(waits).toEqual(waits.map((_, n) => n * 1.5));
  });

  it('makes nobody wait with enough slots, or without a limit', () => {
    const four = new SlotQueue(4);
    const unbounded = new SlotQueue(Number.POSITIVE_INFINITY);
    for (let n = 0; n < 50; n++) {
      expect(four.enter(n * 0.5, 2)).toEqual({ begin: n * 0.5, end: n * 0.5 + 2 });
      expect(unbounded.enter(1, 2)).toEqual({ begin: 1, end: 3 });
    }
  });

  it('has the mean wait of M/D/1, ρ s / (2 (1 − ρ)), with Poisson arrivals', () => {
    const random = seededRandom(5);
    const [rate, service, count] = [0.6, 1, 100_000];
    const queue = new SlotQueue(1);
    let time = 0;
    const waits = Array.from({ length: count }, () => {
      time += -Math.log(1 - random.uniform()) / rate;
      return queue.enter(time, service).begin - time;
    });
    expect(mean(waits)).toBeCloseTo((rate * service) / (2 * (1 - rate)), 1);
  });

  it('returns due items in order of time', () => {
    const agenda = new Agenda<string>();
    for (const [time, item] of [
      [3, 'c'],
      [1, 'a'],
      [2, 'b'],
      [2, 'b, later'],
      [9, 'd'],
    ] as const)
      agenda.add(time, item);
    expect(agenda.due(0.5)).toEqual([]);
    expect(agenda.due(3)).toEqual(['a', 'b', 'b, later', 'c']);
    expect(agenda.due(8)).toEqual([]);
    expect(agenda.due(9)).toEqual(['d']);
  });
});

describe('the stream under a time limit', () => {
  const upstreams: Upstream[] = [
    { slots: 1, serviceS: 2 },
    { slots: 10, serviceS: 2 },
  ];

  it('scores late answers 0, but still charges for them', () => {
    const served = simulate(every(1, 60), upstreams, always(0), scale);
    // The n-th waits n seconds and is served in two.
    expect(served.map(({ latencyS }) => latencyS)).toEqual(served.map((_, n) => n + 2));
    expect(served.map(({ quality }) => quality)).toEqual(served.map((_, n) => Number(n + 2 <= LIMIT_S)));
    expect(served.every(({ cost }) => cost === 1)).toBe(true);
  });

  it('reports an answer to the router before the next arrival, and whether it was late', () => {
    let now = 0;
    const heard: [time: number, latencyS: number, late: boolean][] = [];
    const arrivals = every(1, 60);
    simulate(
      arrivals,
      upstreams,
      {
        choose(asked) {
          now = arrivals.find((arrival) => arrival.row === asked)?.time ?? Number.NaN;
          return { model: 0, predictedTokens: 0 };
        },
        completed: (_, __, latencyS, late) => heard.push([now, latencyS, late]),
      },
      scale,
    );
    // At time n, before the choice for the n-th arrival, everything that ended by then is known.
    expect(heard.length).toBe(29);
    heard.forEach(([time, latencyS, late], n) => {
      expect(time).toBeGreaterThanOrEqual(n + latencyS - 1);
      expect(late).toBe(latencyS > LIMIT_S);
    });
  });

  it('gives models slots by their share, and the most expensive one the longest service', () => {
    expect(simulatedUpstreams([5, 1, 20])).toEqual([
      { serviceS: 4, slots: 12 },
      { serviceS: 2, slots: 6 },
      { serviceS: 8, slots: 24 },
    ]);
  });

  it('uses the default latency penalty of the config', () => {
    const { budget_s: budgetS, ...others } = parse(MINIMAL).config.routing.latency;
    expect({ budgetS, ...others }).toEqual(PENALTY);
  });

  it('keeps queues short with the penalty; without it the favourite is overloaded', () => {
    const { figures, curves } = measureLatency(inventedData(1500), 0);
    const ways = Object.keys(figures);
    const of = (part: string) => figures[ways.find((way) => way.includes(part)) as string] as Record<string, number>;
    expect(of('penalty off').late).toBeGreaterThan(0.2);
    expect(of('penalty on').late).toBeLessThan(0.05);
    expect(of('penalty on').utility).toBeGreaterThan(of('penalty off').utility + 0.1);
    expect(of('no queues')['mean simulated wait, s']).toBe(0);
    expect(of('no queues').utility).toBeGreaterThan(of('penalty on').utility - 0.01);
    expect(of('always the best').late).toBeGreaterThan(0.5);
    expect(Object.values(curves).every((curve) => curve.length === 12)).toBe(true);
  });
});
