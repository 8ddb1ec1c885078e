import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BreakerState, Breakers, type CallEnd } from '../../src/routing/breaker.ts';
import { ManualClock } from '../support/manual-clock.ts';

function setUp(failures = 3, cooldownMs = 10_000) {
  const clock = new ManualClock();
  const changes: string[] = [];
  const breakers = new Breakers(clock, { failures, cooldownMs }, (arm, { state, failures, failure }) =>
    changes.push(`${arm} ${state} ${failures}${failure ? ` ${failure}` : ''}`),
  );
  const call = (end: CallEnd, arm = 'a') => breakers.enter(arm)(end);
  const open = () => {
    for (let i = 0; i < failures; i++) call('failed');
  };
  return { clock, changes, breakers, call, open };
}

describe('Breakers', () => {
  it('open for one arm after several failures in a row, and say for how long', () => {
    const { breakers, call, changes, clock } = setUp();
    for (const end of ['failed', 'failed', 'ok', 'failed', 'unknown', 'failed'] as const) call(end);
    expect([breakers.state('a'), breakers.reason('a'), changes]).toEqual(['closed', null, []]);
    call('failed');
    expect([breakers.state('a'), breakers.state('b'), breakers.reason('b')]).toEqual(['open', 'closed', null]);
    expect(breakers.reason('a')).toBe('breaker open for 10 s after 3 failures');
    clock.advance(3001);
    expect(breakers.reason('a')).toBe('breaker open for 7 s after 3 failures');
    expect(changes).toEqual(['a open 3']);
  });

  it('admit one probe after the cooldown, and close if it succeeds', () => {
    const { breakers, clock, open, changes, call } = setUp();
    open();
    clock.advance(9999);
    expect(breakers.state('a')).toBe('open');
    clock.advance(1);
    expect([breakers.state('a'), breakers.reason('a')]).toEqual(['half-open', null]);
    const probe = breakers.enter('a');
    expect(breakers.reason('a')).toBe('breaker half-open after 3 failures, a probe is under way');
    probe('ok');
    expect(breakers.reason('a')).toBeNull();
    expect(changes).toEqual(['a open 3', 'a half-open 3', 'a closed 0']);
    for (let i = 0; i < 2; i++) call('failed');
    expect(breakers.state('a')).toBe('closed');
  });

  it('admit another probe once the answer of one has begun, as it may take minutes', () => {
    const { breakers, clock, open, changes } = setUp();
    open();
    clock.advance(10_000);
    const [probe, next] = [0, 1].map(() => {
      const leave = breakers.enter('a');
      expect(breakers.reason('a')).toContain('a probe is under way');
      breakers.answers('a');
      expect(breakers.reason('a')).toBeNull();
      return leave;
    });
    expect(breakers.state('a')).toBe('half-open');
    // One that breaks off opens the breaker again; the end of the other then says nothing new.
    next('failed');
    probe('ok');
    expect(breakers.state('a')).toBe('open');
    expect(changes).toEqual(['a open 3', 'a half-open 3', 'a open 4']);
    breakers.answers('b');
    breakers.answers('a');
    expect([breakers.state('a'), breakers.state('b')]).toEqual(['open', 'closed']);
  });

  it('open for another full cooldown if the probe fails', () => {
    const { breakers, clock, open, call } = setUp();
    open();
    clock.advance(10_000);
    call('failed');
    expect(breakers.reason('a')).toBe('breaker open for 10 s after 4 failures');
    clock.advance(10_000);
    expect(breakers.state('a')).toBe('half-open');
  });

  it('forget an arm, and ignore late results of calls that began before', () => {
    const { breakers, clock, open, changes, call } = setUp();
    const before = [1, 2, 3].map(() => breakers.enter('a'));
    open();
    breakers.forget('a');
    expect([breakers.state('a'), breakers.allClosed, changes]).toEqual(['closed', true, ['a open 3', 'a closed 0']]);
    for (let i = 0; i < 2; i++) call('failed');
    for (const late of before) late('failed');
    clock.advance(10_000);
    expect([breakers.state('a'), changes.length]).toEqual(['closed', 2]);
    breakers.forget('never called');
  });

  it('wait for another probe if one has an unknown result', () => {
    const { breakers, clock, open } = setUp();
    open();
    clock.advance(10_000);
    const left = breakers.enter('a');
    left('unknown');
    expect([breakers.state('a'), breakers.reason('a')]).toEqual(['half-open', null]);
    left('failed');
    expect(breakers.state('a')).toBe('half-open');
  });

  it('admit no second probe when another call ends during the probe', () => {
    const { breakers, clock, open, call } = setUp();
    open();
    clock.advance(10_000);
    const probe = breakers.enter('a');
    // A call to a named model, made despite the breaker.
    call('unknown');
    expect(breakers.reason('a')).toContain('a probe is under way');
    probe('ok');
    expect(breakers.state('a')).toBe('closed');
  });

  it('report the reason of the last failure when they open', () => {
    const { breakers, changes } = setUp(2);
    breakers.enter('a')('failed', 'timeout');
    breakers.enter('a')('failed', 'status 401');
    expect(changes).toEqual(['a open 2 status 401']);
  });

  it('ignore the results of calls from before they opened, but close if a later call succeeds', () => {
    const { breakers, clock, open, call } = setUp();
    const [early, late] = [breakers.enter('a'), breakers.enter('a')];
    open();
    early('ok');
    expect(breakers.state('a')).toBe('open');
    clock.advance(10_000);
    late('failed');
    expect(breakers.state('a')).toBe('half-open');
    call('failed');
    clock.advance(5000);
    call('failed');
    expect(breakers.reason('a')).toBe('breaker open for 5 s after 5 failures');
    call('ok');
    expect(breakers.state('a')).toBe('closed');
    open();
    // The timer of the previous opening must not end this one.
    clock.advance(5000);
    expect(breakers.reason('a')).toBe('breaker open for 5 s after 3 failures');
  });

  it('follow changed options', () => {
    const { breakers, call } = setUp();
    call('failed');
    breakers.configure({ failures: 2, cooldownMs: 1000 });
    call('failed');
    expect(breakers.reason('a')).toBe('breaker open for 1 s after 2 failures');
  });

  it('never block an arm for longer than a cooldown, and change state only in known ways', () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ enter: fc.constant(true) }),
        fc.record({ end: fc.constantFrom<CallEnd>('ok', 'failed', 'unknown'), at: fc.nat(20) }),
        fc.record({ advance: fc.integer({ min: 0, max: 15_000 }) }),
      ),
      { maxLength: 80 },
    );
    const ways = new Set(['closed>open', 'open>half-open', 'half-open>open', 'half-open>closed', 'open>closed']);
    fc.assert(
      fc.property(steps, (run) => {
        const clock = new ManualClock();
        let state: BreakerState = 'closed';
        const breakers = new Breakers(clock, { failures: 2, cooldownMs: 10_000 }, (_, change) => {
          expect(ways).toContain(`${state}>${change.state}`);
          state = change.state;
        });
        const running: ((end: CallEnd) => void)[] = [];
        for (const step of run) {
          if ('enter' in step) running.push(breakers.enter('a'));
          else if ('end' in step) running.splice(step.at % Math.max(1, running.length), 1)[0]?.(step.end);
          else clock.advance(step.advance);
          expect(breakers.state('a')).toBe(state);
        }
        for (const end of running) end('unknown');
        clock.advance(10_000);
        expect(breakers.reason('a')).toBeNull();
      }),
    );
  });
});
