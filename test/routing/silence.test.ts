import { describe, expect, it } from 'vitest';
import { overdueSeconds, Silence } from '../../src/routing/silence.ts';
import { ManualClock } from '../support/manual-clock.ts';

function setUp() {
  const clock = new ManualClock();
  const silence = new Silence(clock);
  /** Begins a call to arm `a` after some seconds. */
  const later = (seconds: number) => {
    clock.advance(1000 * seconds);
    return silence.enter('a');
  };
  return { clock, silence, later };
}

describe('Silence', () => {
  it('of an arm lasts since its second waiting call began, because a single answer may just take long', () => {
    const { clock, silence, later } = setUp();
    later(0);
    clock.advance(60_000);
    expect(silence.secondsOf('a')).toBe(0);
    later(0);
    later(10);
    expect([silence.secondsOf('a'), silence.secondsOf('b')]).toEqual([10, 0]);
  });

  it('ends with any answer, and lasts no longer than two calls wait', () => {
    const { clock, silence, later } = setUp();
    const [first, second, third] = [later(0), later(0), later(0)];
    clock.advance(20_000);
    first.ends(true);
    clock.advance(5000);
    expect(silence.secondsOf('a')).toBe(5);
    // A call that ends unheard says nothing, and neither does a second end.
    second.ends(false);
    first.ends(true);
    expect(silence.secondsOf('a')).toBe(0);
    later(0);
    clock.advance(2000);
    expect(silence.secondsOf('a')).toBe(2);
    third.ends(false);
    expect(silence.secondsOf('a')).toBe(0);
  });

  it('ends with any sign of life while the answer has not begun', () => {
    const { clock, silence, later } = setUp();
    const [first] = [later(0), later(0)];
    clock.advance(20_000);
    first.hears();
    clock.advance(4000);
    expect(silence.secondsOf('a')).toBe(4);
    later(0);
    first.ends(true);
    clock.advance(1000);
    // The chunks of an answer that has begun say nothing about those that wait.
    first.hears();
    expect(silence.secondsOf('a')).toBe(1);
  });

  it('of a call counts against the upstream if its client leaves, unless it was short or another call was answered', () => {
    const { clock, later } = setUp();
    const [first, second] = [later(0), later(2)];
    clock.advance(5000);
    expect([first.isAbandoned(3), first.isAbandoned(2), second.isAbandoned(2)]).toEqual([false, true, false]);
    second.hears();
    clock.advance(6000);
    expect(second.isAbandoned(2)).toBe(false);
    clock.advance(1000);
    // What hangs after a first sign of life hangs all the same.
    expect(second.isAbandoned(2)).toBe(true);
    const third = later(0);
    later(0).ends(true);
    clock.advance(60_000);
    expect([first, second, third].map((call) => call.isAbandoned(2))).toEqual([false, false, false]);
    expect(later(0).isAbandoned(2)).toBe(false);
  });

  it('of clients that leave together counts once', () => {
    const { clock, later } = setUp();
    const calls = [0, 0, 0, 0, 0].map(later);
    clock.advance(7000);
    expect(calls.map((call) => call.isAbandoned(2))).toEqual([true, false, false, false, false]);
    clock.advance(5000);
    expect(calls[1].isAbandoned(2)).toBe(false);
    clock.advance(1000);
    expect(calls[2].isAbandoned(2)).toBe(true);
  });

  it('of a former upstream is not that of the next one', () => {
    const { clock, silence, later } = setUp();
    const old = [later(0), later(0)];
    clock.advance(60_000);
    silence.forget('a');
    expect(silence.secondsOf('a')).toBe(0);
    later(0);
    later(0);
    clock.advance(7000);
    for (const call of old) call.ends(true);
    expect(silence.secondsOf('a')).toBe(7);
  });
});

it('a silence is overdue once it exceeds three times the service time, and 3 s', () => {
  expect([5, 6, 26].map((silentS) => overdueSeconds(silentS, 2))).toEqual([0, 0, 20]);
  expect([1, 3, 4].map((silentS) => overdueSeconds(silentS, 0.1))).toEqual([0, 0, 1]);
});
