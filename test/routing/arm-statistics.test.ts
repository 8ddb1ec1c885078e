import { describe, expect, it } from 'vitest';
import { ArmStatistics } from '../../src/routing/arm-statistics.ts';
import { armOf } from './support.ts';

const english = (inputBytes: number) => ({ inputCharacters: inputBytes, inputBytes });
const chinese = (inputBytes: number) => ({ ...hindi(inputBytes), inputEastAsianBytes: inputBytes });
const hindi = (inputBytes: number) => ({ inputCharacters: inputBytes / 3, inputBytes });

describe('ArmStatistics', () => {
  it('follows traffic that has become denser, however much there was before', () => {
    const statistics = new ArmStatistics();
    for (let i = 0; i < 5000; i++) statistics.learnInput('a', english(10_000), 2000);
    expect(statistics.tokensPerByte('a', english(400))).toBeCloseTo(0.2, 3);
    for (let i = 0; i < 100; i++) statistics.learnInput('a', english(10_000), 4000);
    // A megabyte of the new kind: all but 1/e of the way.
    expect(statistics.tokensPerByte('a', english(400))).toBeCloseTo(0.4 - 0.2 / Math.E, 2);
  });

  it('moves from a quarter token per byte to what the upstream reports', () => {
    const statistics = new ArmStatistics();
    const ratio = (arm: string) => statistics.tokensPerByte(arm, english(400));
    expect(ratio('a')).toBe(0.25);
    statistics.learnInput('a', english(2000), 1500);
    expect(ratio('a')).toBe((500 + 1500) / 4000);
    for (let i = 0; i < 1000; i++) statistics.learnInput('a', english(2000), 1500);
    expect(ratio('a')).toBeCloseTo((500 + 750_000) / 1_002_000, 12);
    expect(ratio('b')).toBe(0.25);
  });

  it('does not apply to other scripts what English has taught, nor the reverse', () => {
    const statistics = new ArmStatistics();
    for (let i = 0; i < 1000; i++) statistics.learnInput('a', english(2000), 380);
    expect(statistics.tokensPerByte('a', hindi(3000))).toBe(0.25);
    expect(statistics.tokensPerByte('a', chinese(3000))).toBe(0.25);
    for (let i = 0; i < 1000; i++) statistics.learnInput('a', hindi(3000), 1230);
    expect(statistics.tokensPerByte('a', hindi(300))).toBeCloseTo(0.41, 3);
    expect(statistics.tokensPerByte('a', chinese(300))).toBe(0.25);
    for (let i = 0; i < 1000; i++) statistics.learnInput('a', chinese(3000), 900);
    expect(statistics.tokensPerByte('a', chinese(300))).toBeCloseTo(0.3, 3);
    expect(statistics.tokensPerByte('a', hindi(300))).toBeCloseTo(0.41, 3);
    expect(statistics.tokensPerByte('a', english(100))).toBeCloseTo(0.19, 3);
    // A third of the bytes in each.
    const mixed = { inputCharacters: 300 + 100 + 100, inputBytes: 900, inputEastAsianBytes: 300 };
    expect(statistics.tokensPerByte('a', mixed)).toBeCloseTo(0.3, 3);
    expect(statistics.tokensPerByte('a', english(0))).toBe(statistics.tokensPerByte('a', english(1)));
  });

  it('tells the kinds apart in traffic that mixes them', () => {
    const statistics = new ArmStatistics();
    for (let i = 0; i < 3000; i++) {
      const [ascii, other] = [(i % 7) * 300, (i % 5) * 300];
      const length = { inputCharacters: ascii + other / 3, inputBytes: ascii + other };
      statistics.learnInput('a', length, 0.2 * ascii + 0.4 * other);
    }
    expect(statistics.tokensPerByte('a', english(100))).toBeCloseTo(0.2, 1);
    expect(statistics.tokensPerByte('a', hindi(300))).toBeCloseTo(0.4, 1);
  });

  it('learns nothing from an upstream that read only a part of the prompt', () => {
    const statistics = new ArmStatistics();
    // Ollama with a window of 8,192 tokens cuts 100,000 characters to half of it, and reports what is left.
    statistics.learnInput('a', english(100_000), 4098);
    statistics.learnInput('a', english(100_000), 0);
    expect(statistics.tokensPerByte('a', english(400))).toBe(0.25);
    statistics.learnInput('a', english(2000), 260);
    expect(statistics.tokensPerByte('a', english(400))).toBe(0.19);
    statistics.learnInput('a', hindi(100_000), 4098);
    expect(statistics.tokensPerByte('a', hindi(300))).toBe(0.25);
  });

  it.each([
    ['English', english(2000), 250],
    ['Chinese', chinese(3000), 375],
    ['Hindi', hindi(3000), 240],
  ])('learns from no fewer tokens of %s than tokenisers need', (_, length, fewest) => {
    const statistics = new ArmStatistics();
    statistics.learnInput('a', length, fewest - 1);
    expect(statistics.tokensPerByte('a', length)).toBe(0.25);
    statistics.learnInput('a', length, fewest);
    expect(statistics.tokensPerByte('a', length)).toBeLessThan(0.25);
  });

  it('never expects more than 1.5 tokens per byte, whatever an upstream reports', () => {
    const statistics = new ArmStatistics();
    for (const tokens of [1e9, 1e308, 1e308]) statistics.learnInput('a', english(1e6), tokens);
    expect(statistics.tokensPerByte('a', english(400))).toBeCloseTo(1.5, 2);
    // By the division among the kinds, nearly all of the tokens fall on the few ASCII characters.
    for (let i = 0; i < 100; i++) statistics.learnInput('a', chinese(30_000), 4000);
    const mostlyChinese = { inputCharacters: 10_000 + 2000, inputBytes: 32_000, inputEastAsianBytes: 30_000 };
    for (let i = 0; i < 100; i++) statistics.learnInput('a', mostlyChinese, 40_000);
    expect(statistics.tokensPerByte('a', english(400))).toBe(1.5);
  });

  it('soon forgets a single absurd count', () => {
    const statistics = new ArmStatistics();
    statistics.learnInput('a', english(4000), 1e9);
    for (let i = 0; i < 50; i++) statistics.learnInput('a', english(4000), 800);
    expect(statistics.tokensPerByte('a', english(400))).toBeLessThan(0.25);
  });

  it('believes an upstream that needs few tokens for scripts whose characters take three bytes', () => {
    const statistics = new ArmStatistics();
    // GPT-4o's tokeniser needs 0.11 tokens per byte for Hindi.
    for (let i = 0; i < 100; i++) statistics.learnInput('a', hindi(30_000), 3300);
    expect(statistics.tokensPerByte('a', hindi(300))).toBeCloseTo(0.11, 3);
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

  it("takes the wait for its turn off a call's time", () => {
    const statistics = new ArmStatistics();
    statistics.learnService('a', 10, 1.5);
    expect(statistics.serviceSeconds('a')).toBe(4);
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

  it('takes the prices of long prompts for the reference cost if prompts are long on average', () => {
    const statistics = new ArmStatistics();
    const rates = { input: 1, cachedInput: 0.1, cacheWrite: 1, output: 2 };
    const price = { ...rates, longPrompt: { above: 5000, input: 2, cachedInput: 0.2, cacheWrite: 2, output: 3 } };
    statistics.learnReference('a', { input: 1000, cachedInput: 3000, output: 100 });
    expect(statistics.referenceCost({ id: 'a', price }, null) * 1e6).toBeCloseTo(1000 + 300 + 200, 9);
    statistics.learnReference('a', { input: 3000, cachedInput: 7000, output: 100 });
    expect(statistics.referenceCost({ id: 'a', price }, null) * 1e6).toBeCloseTo((8000 + 2000 + 600) / 2, 9);
  });

  it('applies the current price to all past decisions', () => {
    const statistics = new ArmStatistics();
    statistics.learnReference('a', { input: 4000, cachedInput: 1000, output: 5000 });
    const price = { input: 1, cachedInput: 0.1, cacheWrite: 1, output: 2 };
    expect(statistics.referenceCost({ id: 'a', price }, null)).toBeCloseTo(0.0141, 12);
  });

  it('restores the same state from JSON, and continues in the same way', () => {
    const statistics = new ArmStatistics();
    statistics.learnInput('a', { inputCharacters: 1 / 5, inputBytes: 1 / 3 }, 0.1 + 0.2);
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
