import { describe, expect, it } from 'vitest';
import { UpstreamError } from '../../../src/domain/errors.ts';
import { Deadline } from '../../../src/gateway/deadline.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const TIMEOUTS = { connectMs: 100, firstByteMs: 1000, idleMs: 300, totalMs: 5000 };

function start(awaited: 'byte' | 'content' = 'byte') {
  const clock = new ManualClock();
  return { clock, deadline: new Deadline(clock, TIMEOUTS, awaited) };
}

function reason(deadline: Deadline): string {
  const { aborted, reason } = deadline.limit.signal;
  if (!aborted) return 'running';
  return reason instanceof UpstreamError ? `${reason.status} ${reason.message}` : reason.message;
}

describe('Deadline', () => {
  it('waits for the first sign of life as long as the first byte may take', () => {
    const { clock, deadline } = start();
    clock.advance(999);
    expect(reason(deadline)).toBe('running');
    clock.advance(1);
    expect(reason(deadline)).toBe('504 The upstream sent nothing within 1 s.');
    expect(deadline.expired.aborted).toBe(true);
  });

  it('takes pings for no answer where it waits for content', () => {
    const { clock, deadline } = start('content');
    for (let i = 0; i < 4; i++) {
      clock.advance(249);
      deadline.alive();
    }
    expect(reason(deadline)).toBe('running');
    clock.advance(4);
    expect(reason(deadline)).toBe('504 The upstream sent no content within 1 s.');
    const begun = start('content');
    begun.deadline.begun();
    begun.clock.advance(1001);
    expect(reason(begun.deadline)).toBe('running');
    const silent = start('content');
    silent.deadline.alive();
    silent.clock.advance(300);
    expect(reason(silent.deadline)).toBe('504 The upstream sent nothing for 0.3 s.');
  });

  it('waits from one sign of life to the next no longer than the idle time', () => {
    const { clock, deadline } = start();
    for (let i = 0; i < 10; i++) {
      clock.advance(299);
      deadline.alive();
    }
    expect(reason(deadline)).toBe('running');
    clock.advance(300);
    expect(reason(deadline)).toBe('504 The upstream sent nothing for 0.3 s.');
  });

  it('ends a lively answer at its total time', () => {
    const { clock, deadline } = start();
    for (let i = 0; i < 50; i++) {
      clock.advance(100);
      deadline.alive();
    }
    expect(reason(deadline)).toBe('504 The answer took longer than 5 s.');
  });

  it('does not hold a slow client against the upstream, but the total time against both', () => {
    const { clock, deadline } = start();
    deadline.alive();
    deadline.pause();
    expect(deadline.isPaused).toBe(true);
    deadline.alive();
    expect(deadline.isPaused).toBe(false);
    deadline.pause();
    clock.advance(4999);
    expect(reason(deadline)).toBe('running');
    clock.advance(1);
    expect(reason(deadline)).toContain('longer than 5 s');
    expect(deadline.isPaused).toBe(true);
  });

  it('closes what lingers after the end, which is no expiry, whatever still comes', () => {
    const { clock, deadline } = start();
    deadline.linger(50);
    deadline.alive();
    clock.advance(50);
    expect(reason(deadline)).toBe('The answer is complete.');
    expect(deadline.expired.aborted).toBe(false);
  });

  it('is over when stopped', () => {
    const { clock, deadline } = start();
    deadline.stop();
    deadline.alive();
    clock.advance(1e6);
    expect(reason(deadline)).toBe('running');
  });

  it.each(['heard again', 'silent'])(
    'lets what came while the process stood still be read first: upstream %s',
    (upstream) => {
      const { clock, deadline } = start();
      deadline.alive();
      const running = clock.monotonic.bind(clock);
      clock.monotonic = () => running() + 60_000;
      clock.advance(300);
      expect(reason(deadline)).toBe('running');
      if (upstream === 'heard again') deadline.alive();
      for (let i = 0; i < 3; i++) {
        if (upstream === 'heard again') expect(reason(deadline)).toBe('running');
        clock.advance(250);
        if (upstream === 'heard again') deadline.alive();
      }
      clock.advance(1000);
      expect(reason(deadline)).toBe('504 The upstream sent nothing for 0.3 s.');
    },
  );

  it('takes an answer that began while the process stood still for one in time', () => {
    const { clock, deadline } = start('content');
    const running = clock.monotonic.bind(clock);
    clock.monotonic = () => running() + 60_000;
    clock.advance(1000);
    deadline.begun();
    clock.advance(1000);
    expect(reason(deadline)).toBe('running');
  });
});
