import { describe, expect, it } from 'vitest';
import type { Arm } from '../../../src/domain/arm.ts';
import { GatewayError, UpstreamError } from '../../../src/domain/errors.ts';
import type { AttemptRecord } from '../../../src/domain/events.ts';
import { type AttemptPlan, attempt } from '../../../src/gateway/attempt.ts';
import { armOf } from '../../routing/support.ts';
import { ManualClock } from '../../support/manual-clock.ts';

type Answer = string | Error | 'hang';

/** Knows how many timers are set. */
class CountingClock extends ManualClock {
  pending = 0;

  override after(milliseconds: number, callback: () => void): () => void {
    this.pending++;
    let ended = false;
    const end = () => {
      if (!ended) this.pending--;
      ended = true;
    };
    const cancel = super.after(milliseconds, () => {
      end();
      callback();
    });
    return () => {
      end();
      cancel();
    };
  }
}

/** Upstreams that answer from a script, on a clock that starts at 0 and is moved by `settled`. */
function scripted(script: Record<string, Answer[]>, options: Partial<AttemptPlan<string>> & { uniform?: number } = {}) {
  const clock = new CountingClock(Date.UTC(2025, 0, 1));
  const client = new AbortController();
  const calls: string[] = [];
  const failures: AttemptRecord[] = [];
  const signals: AbortSignal[] = [];
  const [arm, ...fallbacks] = Object.keys(script).map((id) =>
    armOf(id, { timeouts: { connectMs: 1000, firstByteMs: 5000, idleMs: 1000, totalMs: 9000 } }),
  );
  const plan: AttemptPlan<string> = {
    arm,
    fallbacks: () => fallbacks,
    resilience: { retries: 1, maxRetryAfterMs: 5000 },
    awaited: 'byte',
    clock,
    random: { uniform: () => options.uniform ?? 0, normal: () => 0 },
    clientGone: client.signal,
    onCall: () => {},
    isShuttingDown: () => false,
    onFailure: (record) => failures.push(record),
    mayRetry: () => true,
    call(arm: Arm, signal: AbortSignal) {
      calls.push(`${arm.id}@${clock.monotonic()}`);
      signals.push(signal);
      const answer = script[arm.id].shift() ?? expect.unreachable(`one more call of ${arm.id}`);
      if (answer instanceof Error) return Promise.reject(answer);
      if (answer !== 'hang') return Promise.resolve(answer);
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    },
    ...options,
  };
  return { plan, clock, client, calls, failures, signals };
}

/** Advances the clock millisecond by millisecond until the attempt is settled. */
async function settled<T>(promise: Promise<T>, clock: ManualClock): Promise<T> {
  let done = false;
  const watched = promise.finally(() => {
    done = true;
  });
  watched.catch(() => {});
  for (let i = 0; i < 30_000 && !done; i++) {
    for (let turn = 0; turn < 12; turn++) await Promise.resolve();
    // What is due now is done first.
    if (!done) clock.advance(i % 2);
  }
  return watched;
}

const status = (code: number, retryAfter: string | null = null) =>
  new UpstreamError('status', `status ${code}`, {
    status: code,
    retryAdvice: retryAfter === null ? {} : { 'retry-after': retryAfter },
  });

describe('attempt', () => {
  it('returns the answer of the first arm and calls no other', async () => {
    const { plan, calls, failures, clock, signals } = scripted({ a: ['yes'], b: [] });
    const answer = await attempt(plan);
    expect(answer).toMatchObject({ arm: { id: 'a' }, value: 'yes', startedAt: 0 });
    expect([calls, failures]).toEqual([['a@0'], []]);
    answer.deadline.stop();
    expect(clock.pending).toBe(0);
    clock.advance(10 * 60_000);
    expect(signals[0].aborted).toBe(false);
    answer.deadline.limit.abort();
    expect(signals[0].aborted).toBe(true);
  });

  it.each([408, 409, 429, 500, 502, 503, 504, 529])('retries the same arm after %i, with a pause', async (code) => {
    const { plan, calls, clock, failures } = scripted({ a: [status(code), 'yes'], b: [] });
    await expect(settled(attempt(plan), clock)).resolves.toMatchObject({ value: 'yes', startedAt: 125 });
    expect(calls).toEqual(['a@0', 'a@125']);
    expect(failures).toEqual([{ arm: 'a', result: 'status', status: code, durationMs: 0 }]);
  });

  it('waits 250 ms, 500 ms, 1 s and so on, each shortened at random by up to half', async () => {
    const failing = () => new UpstreamError('connection', 'refused');
    for (const [uniform, share] of [
      [0, 0.5],
      [0.5, 0.75],
    ]) {
      const { plan, calls, clock } = scripted({ a: [failing(), failing(), failing(), 'yes'] }, { uniform });
      plan.resilience.retries = 3;
      await settled(attempt(plan), clock);
      const times = [0, 250, 750, 1750].map((ms) => `a@${Math.ceil(ms * share)}`);
      expect(calls.map((call) => call.replace(/\.\d+/, ''))).toEqual(times.map((time) => time.replace(/\.\d+/, '')));
    }
  });

  it.each([
    ['2', 2000],
    ['0', 0],
    ['0.5', 500],
    ['5', 5000],
    [new Date(Date.UTC(2025, 0, 1, 0, 0, 3)).toUTCString(), 3000],
    [new Date(Date.UTC(2024, 0, 1)).toUTCString(), 0],
  ])('honours retry-after: %s', async (header, pause) => {
    const { plan, calls, clock } = scripted({ a: [status(429, header), 'yes'], b: [] });
    await settled(attempt(plan), clock);
    expect(calls).toEqual(['a@0', `a@${pause}`]);
  });

  it.each(['5.001', '60', new Date(Date.UTC(2025, 0, 1, 0, 1)).toUTCString()])(
    'calls another arm at once if retry-after is too long: %s',
    async (header) => {
      const { plan, calls, clock } = scripted({ a: [status(503, header)], b: ['yes'] });
      await settled(attempt(plan), clock);
      expect(calls).toEqual(['a@0', 'b@0']);
      const alone = scripted({ a: [status(503, header)] });
      await expect(attempt(alone.plan)).rejects.toMatchObject({ status: 503, retryAdvice: { 'retry-after': header } });
    },
  );

  it('ignores an unreadable retry-after', async () => {
    const { plan, calls, clock } = scripted({ a: [status(429, 'soon'), 'yes'] });
    await settled(attempt(plan), clock);
    expect(calls).toEqual(['a@0', 'a@125']);
  });

  it('falls back in the given order once an arm has used up its tries', async () => {
    const { plan, calls, clock, failures } = scripted({ b: [status(500), status(500)], c: [status(401)], a: ['yes'] });
    await expect(settled(attempt(plan), clock)).resolves.toMatchObject({ arm: { id: 'a' }, value: 'yes' });
    expect(calls).toEqual(['b@0', 'b@125', 'c@125', 'a@125']);
    expect(failures.map(({ arm, status: code }) => [arm, code])).toEqual([
      ['b', 500],
      ['b', 500],
      ['c', 401],
    ]);
  });

  it.each([400, 413, 422])('treats %i as final', async (code) => {
    const { plan, calls, clock } = scripted({ a: [status(code)], b: [] });
    await expect(settled(attempt(plan), clock)).rejects.toMatchObject({ status: code });
    expect(calls).toEqual(['a@0']);
  });

  it('calls another arm, but not the same one, if the upstream forbids a retry', async () => {
    const told = () => new UpstreamError('status', 'no', { status: 429, retryAdvice: { 'x-should-retry': 'false' } });
    const { plan, calls, clock } = scripted({ a: [told()], b: ['yes'] });
    await settled(attempt(plan), clock);
    expect(calls).toEqual(['a@0', 'b@0']);
    const alone = scripted({ a: [told()] });
    await expect(attempt(alone.plan)).rejects.toMatchObject({ retryAdvice: { 'x-should-retry': 'false' } });
    expect(alone.calls).toHaveLength(1);
  });

  it.each(['unusable', 'modelSpecific'])('does not retry an arm that would refuse again (%s)', async (meaning) => {
    const refused = new UpstreamError('status', 'no', { status: 429, [meaning]: true });
    const { plan, calls, clock } = scripted({ a: [refused], b: ['yes'] });
    await settled(attempt(plan), clock);
    expect(calls).toEqual(['a@0', 'b@0']);
  });

  it('after "too long", calls only arms known to accept more', async () => {
    const tooLong = (arm: string) => new UpstreamError('status', arm, { status: 400, tooLong: true });
    const windows: Record<string, number | null> = { a: 8000, b: null, c: 8000, d: 16_000, e: 9000, f: 32_000 };
    const ask = (answers: Record<string, Answer[]>) => {
      const { plan, calls } = scripted(answers);
      const sized = (arm: Arm): Arm => ({ ...arm, contextWindow: windows[arm.id] });
      const fallbacks = plan.fallbacks().map(sized);
      return { calls, answer: attempt({ ...plan, arm: sized(plan.arm), fallbacks: () => fallbacks }) };
    };
    const first = ask({ a: [tooLong('a')], b: [], c: [], d: [tooLong('d')], e: [], f: ['yes'] });
    await expect(first.answer).resolves.toMatchObject({ arm: { id: 'f' } });
    expect(first.calls).toEqual(['a@0', 'd@0', 'f@0']);
    const unknown = ask({ b: [tooLong('b')], c: ['yes'] });
    await expect(unknown.answer).resolves.toMatchObject({ arm: { id: 'c' } });
    const none = ask({ d: [tooLong('d')], a: [], b: [] });
    await expect(none.answer).rejects.toMatchObject({ message: 'd', status: 400 });
    expect(none.calls).toEqual(['d@0']);
  });

  it.each(['unreadable', 'interrupted', 'timeout'] as const)(
    'calls another arm, not the same one, after: %s',
    async (failure) => {
      const { plan, calls, failures } = scripted({ a: [new UpstreamError(failure, 'x', { status: 400 })], b: ['yes'] });
      await attempt(plan);
      expect(calls).toEqual(['a@0', 'b@0']);
      expect(failures).toEqual([{ arm: 'a', result: failure, status: null, durationMs: 0 }]);
    },
  );

  it('retries nothing once the gateway is shutting down, during a call or between two', async () => {
    let isShuttingDown = true;
    const during = scripted({ a: [status(500)], b: ['yes'] }, { isShuttingDown: () => isShuttingDown });
    await expect(attempt(during.plan)).rejects.toMatchObject({ status: 500 });
    isShuttingDown = false;
    const between = scripted({ a: [status(500), 'yes'], b: ['yes'] }, { isShuttingDown: () => isShuttingDown });
    const failed = attempt(between.plan);
    failed.catch(() => {});
    await expect.poll(() => between.failures.length).toBe(1);
    isShuttingDown = true;
    await expect(settled(failed, between.clock)).rejects.toMatchObject({ status: 500 });
    expect([during.calls.length, between.calls.length]).toEqual([1, 1]);
  });

  it('does not retry an arm that may not be retried while there are others', async () => {
    const { plan, calls, clock } = scripted({ a: [status(500)], b: [status(500), 'yes'] }, { mayRetry: () => false });
    await expect(settled(attempt(plan), clock)).resolves.toMatchObject({ value: 'yes' });
    expect(calls).toEqual(['a@0', 'b@0', 'b@125']);
  });

  it('throws the last failure when all have failed', async () => {
    const { plan, clock, failures } = scripted({ a: [status(401)], b: [status(500), status(503, '9')] });
    await expect(settled(attempt(plan), clock)).rejects.toMatchObject({
      message: 'status 503',
      retryAdvice: { 'retry-after': '9' },
    });
    expect(failures).toHaveLength(3);
  });

  it('falls back if the request cannot be expressed for an arm, but not after a bug of our own', async () => {
    const untold = new GatewayError(400, 'no words for it');
    const { plan, calls, failures } = scripted({ a: [untold], b: ['yes'] });
    await expect(attempt(plan)).resolves.toMatchObject({ arm: { id: 'b' } });
    expect(calls).toEqual(['a@0', 'b@0']);
    expect(failures).toEqual([{ arm: 'a', result: 'error', status: null, durationMs: 0 }]);
    await expect(attempt(scripted({ a: [untold] }).plan)).rejects.toBe(untold);
    const bug = new TypeError('undefined is not a function');
    await expect(attempt(scripted({ a: [bug], b: [] }).plan)).rejects.toBe(bug);
  });

  it('aborts the call to an arm that sends nothing within its time limit, and falls back', async () => {
    const { plan, calls, clock, failures, signals } = scripted({ a: ['hang'], b: ['yes'] });
    await expect(settled(attempt(plan), clock)).resolves.toMatchObject({ arm: { id: 'b' } });
    expect(calls).toEqual(['a@0', 'b@5000']);
    expect(failures).toEqual([{ arm: 'a', result: 'timeout', status: null, durationMs: 5000 }]);
    expect(signals[0].aborted).toBe(true);
    const alone = scripted({ a: ['hang'] });
    await expect(settled(attempt(alone.plan), alone.clock)).rejects.toMatchObject({ failure: 'timeout', status: 504 });
  });

  it('calls nothing and records no call if the client has already left', async () => {
    const { plan, client, clock, calls, failures } = scripted({ a: [] });
    client.abort(new Error('the client left'));
    await expect(attempt(plan)).rejects.toThrow('the client left');
    expect([calls, failures, clock.pending]).toEqual([[], [], 0]);
  });

  it('stops at once when the client leaves during a call', async () => {
    const { plan, client, calls, failures, signals } = scripted({ a: ['hang'], b: [] });
    const attempted = attempt(plan);
    client.abort(new Error('the client left'));
    await expect(attempted).rejects.toThrow('the client left');
    expect(calls).toEqual(['a@0']);
    expect(signals[0].aborted).toBe(true);
    expect(failures).toEqual([{ arm: 'a', result: 'aborted', status: null, durationMs: 0 }]);
  });

  it('stops at once when the client leaves during a pause, and leaves no timer behind', async () => {
    const { plan, client, clock, calls } = scripted({ a: [status(500), 'never'], b: [] });
    const attempted = attempt(plan);
    for (let turn = 0; turn < 12; turn++) await Promise.resolve();
    clock.advance(100);
    client.abort(new Error('the client left'));
    await expect(attempted).rejects.toThrow('the client left');
    expect(clock.pending).toBe(0);
    clock.advance(10_000);
    for (let turn = 0; turn < 12; turn++) await Promise.resolve();
    expect(calls).toEqual(['a@0']);
  });
});
