import { describe, expect, it } from 'vitest';
import { ArmStatistics } from '../../src/routing/arm-statistics.ts';
import { armOf } from './support.ts';

describe('ArmStatistics', () => {
  it('moves from a quarter token per byte to what the upstream reports', () => {
    const statistics = new ArmStatistics();
    expect(statistics.tokensPerByte('a')).toBe(0.25);
    statistics.learnInput('a', 2000, 1500);
    expect(statistics.tokensPerByte('a')).toBe((500 + 1500) / 4000);
    for (let i = 0; i < 1000; i++) statistics.learnInput('a', 2000, 1500);
    expect(statistics.tokensPerByte('a')).toBeCloseTo(0.75, 3);
    expect(statistics.tokensPerByte('b')).toBe(0.25);
  });

  it('learns nothing from an upstream that read only a part of the prompt', () => {
    const statistics = new ArmStatistics();
    // Ollama with a window of 8,192 tokens cuts 100,000 characters to half of it, and reports what is left.
    statistics.learnInput('a', 100_000, 4098);
    statistics.learnInput('a', 100_000, 0);
    expect(statistics.tokensPerByte('a')).toBe(0.25);
    statistics.learnInput('a', 2000, 260);
    expect(statistics.tokensPerByte('a')).toBe(0.19);
  });

  it('knows a service time after the first answer, and gradually forgets old ones', () => {
    const statistics = new ArmStatistics();
    expect(statistics.serviceSeconds('a')).toBe(2);
    statistics.learnService('a', 10);
    expect(statistics.serviceSeconds('a')).toBe(10);
    let expected = 10;
    for (const seconds of [4, 6, 0]) {
      statistics.learnService('a', seconds);
      expected = 0.95 * expected + 0.05 * seconds;
      expect(statistics.serviceSeconds('a')).toBeCloseTo(expected, 12);
    }
    expect(statistics.serviceSeconds('b')).toBe(2);
  });

  it('averages the reference cost over all decisions, including the current one', () => {
    const [statistics, a, b] = [new ArmStatistics(), armOf('a', { usd: 10 }), armOf('b')];
    expect(statistics.referenceCost(a, null)).toBe(0);
    expect(statistics.referenceCost(a, 0.5)).toBe(0.5);
    expect(statistics.referenceCost(a, null)).toBe(0);
    statistics.learnReference('a', { input: 4000, cachedInput: 1000, output: 5000 });
    statistics.learnReference('a', { input: 20_000, cachedInput: 0, output: 0 });
    expect(statistics.referenceCost(a, null)).toBeCloseTo(0.15, 12);
    expect(statistics.referenceCost(a, 0.6)).toBeCloseTo(0.3, 12);
    expect(statistics.referenceCost(b, null)).toBe(0);
  });

  it('applies the current price to all past decisions', () => {
    const statistics = new ArmStatistics();
    statistics.learnReference('a', { input: 4000, cachedInput: 1000, output: 5000 });
    const price = { input: 1, cachedInput: 0.1, cacheWrite: 1, output: 2 };
    expect(statistics.referenceCost({ id: 'a', price }, null)).toBeCloseTo(0.0141, 12);
  });

  it('restores the same state from JSON, and continues in the same way', () => {
    const statistics = new ArmStatistics();
    statistics.learnInput('a', 1 / 3, 1e-7);
    statistics.learnService('a', 0.1 + 0.2);
    statistics.learnReference('b', { input: 1e-9, cachedInput: 0, output: 1 / 3 });
    const copy = new ArmStatistics();
    copy.learnService('gone', 5);
    copy.restore(JSON.parse(JSON.stringify(statistics.state())));
    expect(copy.state()).toEqual(statistics.state());
    for (const each of [statistics, copy]) each.learnService('a', Math.PI);
    expect(copy.serviceSeconds('a')).toBe(statistics.serviceSeconds('a'));
    expect(copy.serviceSeconds('gone')).toBe(2);
  });
});
