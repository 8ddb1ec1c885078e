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
  it('waits for the first sign of life for as long as the first byte may take', () => {
    const { clock, deadline } = start();
    clock.advance(999);
    expect(reason(deadline)).toBe('running');
    clock.advance(1);
    expect(reason(deadline)).toBe('504 The upstream sent nothing within 1 s.');
    expect(deadline.expired.aborted).toBe(true);
  });

  it('does not mistake pings for an answer while it waits for content', () => {
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

  it('allows at most the idle time between two signs of life', () => {
    const { clock, deadline } = start();
    for (let i = 0; i < 10; i++) {
      clock.advance(299);
      deadline.alive();
    }
    expect(reason(deadline)).toBe('running');
    clock.advance(300);
    expect(reason(deadline)).toBe('504 The upstream sent nothing for 0.3 s.');
  });

  it('ends an answer at its total time, however active it is', () => {
    const { clock, deadline } = start();
    for (let i = 0; i < 50; i++) {
      clock.advance(100);
      deadline.alive();
    }
    expect(reason(deadline)).toBe('504 The answer took longer than 5 s.');
  });

  it("does not count a slow client's pauses as idle time, but does count them in the total time", () => {
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

  it('closes a connection that lingers after the end, without counting as expired, whatever still arrives', () => {
    const { clock, deadline } = start();
    deadline.linger(50);
    deadline.alive();
    clock.advance(50);
    expect(reason(deadline)).toBe('The answer is complete.');
    expect(deadline.expired.aborted).toBe(false);
  });

  it('never fires once stopped', () => {
    const { clock, deadline } = start();
    deadline.stop();
    deadline.alive();
    clock.advance(1e6);
    expect(reason(deadline)).toBe('running');
  });

  it.each(['heard again', 'silent'])(
    'lets data that arrived while the process was suspended be read first: upstream %s',
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

  it('accepts an answer that began while the process was suspended as in time', () => {
    const { clock, deadline } = start('content');
    const running = clock.monotonic.bind(clock);
    clock.monotonic = () => running() + 60_000;
    clock.advance(1000);
    deadline.begun();
    clock.advance(1000);
    expect(reason(deadline)).toBe('running');
  });
});
