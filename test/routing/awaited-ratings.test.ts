import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AwaitedRatings } from '../../src/routing/awaited-ratings.ts';

const ARMS = ['big', 'mid', 'small'];

describe('awaited ratings', () => {
  it('are those of answers newer than the newest rated one, also from a restored state', () => {
    const step = fc.record({ arm: fc.constantFrom(...ARMS), rates: fc.option(fc.nat(40)), saved: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let awaited = new AwaitedRatings();
        const answers: string[] = [];
        let newestRated = -1;
        for (const { arm, rates, saved } of steps) {
          answers.push(arm);
          awaited.answered(arm, answers.length - 1);
          if (rates !== null && rates < answers.length) {
            awaited.rated(rates);
            newestRated = Math.max(newestRated, rates);
          }
          if (saved) {
            const state = JSON.parse(JSON.stringify(awaited.state()));
            awaited = new AwaitedRatings();
            awaited.restore(state);
          }
          const since = answers.slice(newestRated + 1);
          for (const one of ARMS) expect(awaited.of(one)).toBe(since.filter((other) => other === one).length);
        }
      }),
    );
  });

  it('are all counted, while positions are kept for a thousand answers only', () => {
    const unrated = () => {
      const awaited = new AwaitedRatings();
      for (let place = 0; place < 3000; place++) awaited.answered(place < 2500 ? 'big' : 'small', place);
      return awaited;
    };
    const counts = (awaited: AwaitedRatings) => [awaited.of('big'), awaited.of('small')];
    expect(counts(unrated())).toEqual([2500, 500]);
    expect(unrated().state().answers).toHaveLength(1000);
    const restored = new AwaitedRatings();
    restored.restore(unrated().state());
    for (const awaited of [unrated(), restored]) {
      awaited.rated(2600);
      expect(counts(awaited)).toEqual([0, 399]);
    }
    // The position of such an old answer is no longer known, so all answers without a position stop counting.
    const late = unrated();
    late.rated(10);
    expect(counts(late)).toEqual([500, 500]);
  });

  it('are zero after a reset of the arm, and unchanged for the others', () => {
    const awaited = new AwaitedRatings();
    for (let place = 0; place < 2000; place++) awaited.answered(place % 2 ? 'small' : 'big', place);
    awaited.forget('big');
    expect([awaited.of('big'), awaited.of('small')]).toEqual([0, 1000]);
    awaited.rated(1990);
    expect([awaited.of('big'), awaited.of('small')]).toEqual([0, 5]);
  });
});
