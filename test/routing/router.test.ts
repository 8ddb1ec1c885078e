import { describe, expect, it } from 'vitest';
import { LinearPolicy } from '../../src/bandit/linear-policy.ts';
import { type Arm, upstreamOf } from '../../src/domain/arm.ts';
import type { RequestForm } from '../../src/domain/context.ts';
import { explanationOf } from '../../src/domain/decision.ts';
import { GatewayError } from '../../src/domain/errors.ts';
import type { ExplorationKind } from '../../src/domain/exploration.ts';
import { ArmStatistics } from '../../src/routing/arm-statistics.ts';
import { AwaitedRatings } from '../../src/routing/awaited-ratings.ts';
import { Breakers } from '../../src/routing/breaker.ts';
import { Launches } from '../../src/routing/launches.ts';
import { Load } from '../../src/routing/load.ts';
import { RateLimits } from '../../src/routing/rate-limits.ts';
import type { RouteQuery, RoutingKnowledge } from '../../src/routing/route-query.ts';
import { Router, type RouterOptions } from '../../src/routing/router.ts';
import { RoutingBudgetLedger } from '../../src/routing/routing-budget-ledger.ts';
import { Silence } from '../../src/routing/silence.ts';
import { seededRandom } from '../../src/util/random.ts';
import { spoilModels } from '../bandit/support.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { armOf, profileOf } from './support.ts';

const BIG = armOf('big', { usd: 10 });
const SMALL = armOf('small', { usd: 1 });
const BLIND = armOf('blind', { usd: 2, capabilities: [], contextWindow: 2000 });

function setUp(
  options: {
    arms?: Arm[];
    exploration?: ExplorationKind;
    knowledge?: RoutingKnowledge;
    targets?: Partial<RouterOptions>;
  } = {},
) {
  const policy = new LinearPolicy(3);
  policy.setPriorQualities(
    new Map([
      ['big', 0.95],
      ['small', 0.7],
      ['blind', 0.6],
    ]),
  );
  const knowledge = options.knowledge ?? {
    policy,
    statistics: new ArmStatistics(),
    launches: new Launches(),
    awaitedRatings: new AwaitedRatings(),
    routingSpend: new RoutingBudgetLedger(),
  };
  const clock = new ManualClock();
  const load = new Load();
  const breakers = new Breakers(clock, { failures: 2, cooldownMs: 10_000 });
  const rateLimits = new RateLimits(clock);
  const silence = new Silence(clock);
  const router = new Router(
    {
      arms: options.arms ?? [SMALL, BIG, BLIND],
      reference: 'big',
      exploration: options.exploration ?? 'none',
      latency: { budgetS: 30, beta: 0.25, gamma: 4, xi: 1, cap: 10 },
      launch: { tries: 30, budgetUsd: 1 },
      patienceS: 5,
      guard: null,
      budget: null,
      ...options.targets,
    },
    () => knowledge,
    { load, breakers, rateLimits, silence },
    seededRandom(1),
  );
  return { router, load, breakers, rateLimits, silence, clock, knowledge, policy };
}

/** As a damaged snapshot may hold it: what is learned from answers is checked. */
function spoilTokens(statistics: ArmStatistics): void {
  statistics.learnInput('small', { inputCharacters: 1, inputBytes: 1 }, 1);
  const state = statistics.state();
  statistics.restore({
    ...state,
    small: { ...state.small, inputTokens: { ...state.small.inputTokens, ascii: Number.NaN } },
  });
}

function query(fields: Partial<RouteQuery> = {}): RouteQuery {
  return {
    context: { featureMap: 'map-1', values: Float32Array.of(1, 0, 0) },
    profile: profileOf(),
    tag: 'small talk',
    requested: null,
    stayWith: null,
    allowed: null,
    weight: 0.9,
    weightFrom: 'config',
    now: 0,
    ...fields,
  };
}

const explained = (router: Router, fields: Partial<RouteQuery>, arm: string) =>
  router.decide(query(fields)).arms.find((explanation) => explanation.arm === arm);

describe('Router.decide', () => {
  it('explains a decision by consistent numbers', () => {
    const decision = setUp().router.decide(query());
    const costs = { small: (100 + 300) / 1e6, big: ((100 + 300) * 10) / 1e6, blind: ((100 + 300) * 2) / 1e6 };
    // 0.9·0.7 − 0.1·0.1 = 0.62, 0.9·0.95 − 0.1 = 0.755, 0.9·0.6 − 0.1·0.2 = 0.52
    expect(decision).toMatchObject({
      arm: 'big',
      chosenBy: 'score',
      propensity: 1,
      degraded: null,
      weight: 0.9,
      weightFrom: 'config',
      exploration: 'none',
      reference: 'big',
      featureMap: 'map-1',
      inputCharacters: 400,
      images: 0,
      runnerUp: { arm: 'small', score: expect.closeTo(0.62, 9) },
      referenceCostUsd: expect.closeTo(costs.big, 12),
      referenceMeanCostUsd: expect.closeTo(costs.big, 12),
    });
    for (const { arm, costUsd, inputTokens, outputTokens, excluded, waitS, penalty } of decision.arms) {
      expect({ arm, inputTokens, excluded, waitS, penalty }).toMatchObject({
        inputTokens: 100,
        excluded: null,
        waitS: 0,
        penalty: 0,
      });
      expect(outputTokens).toBeCloseTo(300, 9);
      expect(costUsd).toBeCloseTo(costs[arm as keyof typeof costs], 12);
    }
    // 0.95 w − (1 − w) = 0.7 w − 0.1 (1 − w)
    expect(decision.flipBelow).toEqual({ arm: 'small', weight: expect.closeTo(0.9 / 1.15, 9) });
    expect(decision.flipAbove).toBeNull();
  });

  it('changes its choice at the weight it reported', () => {
    const { router } = setUp();
    const flip = router.decide(query()).flipBelow;
    if (!flip) return expect.unreachable();
    expect(router.decide(query({ weight: flip.weight - 1e-6 })).arm).toBe(flip.arm);
    expect(router.decide(query({ weight: flip.weight + 1e-6 })).arm).toBe('big');
  });

  it('excludes arms that cannot serve, with the reason and without predictions', () => {
    const { router } = setUp();
    const decision = router.decide(query({ profile: profileOf({ needs: ['vision'] }), weight: 0 }));
    expect(decision.arm).toBe('small');
    expect(decision.needs).toEqual(['vision']);
    const blind = decision.arms.find(({ arm }) => arm === 'blind');
    expect(blind).toMatchObject({
      excluded: expect.stringContaining('vision'),
      quality: null,
      score: null,
      propensity: null,
    });
    expect(explained(router, { profile: profileOf({ inputBytes: 8001 }) }, 'blind')?.excluded).toContain('2001');
    expect(explained(router, { profile: profileOf({ inputBytes: 8000 }) }, 'blind')?.excluded).toBeNull();
    expect(explained(router, { allowed: new Set(['small']) }, 'big')?.excluded).toContain('not among');
  });

  it('excludes arms that would answer in another form than requested, unless no other arm can serve', () => {
    const claude = armOf('claude', { usd: 1, unsupportedForms: ['n', 'json_object'] });
    const { router, breakers } = setUp({ arms: [claude, BIG, BLIND] });
    const asking = (fields: Partial<RouteQuery> = {}, forms: RequestForm[] = ['json_object', 'logprobs']) => {
      const { arm, arms } = router.decide(query({ profile: profileOf({ forms }), weight: 0, ...fields }));
      return { arm, excluded: arms[0].excluded };
    };
    const reason = "its provider's API does not support json_object, and another candidate's does";
    expect(asking().excluded).toBe(reason);
    expect(asking({}, ['functions'])).toEqual({ arm: 'claude', excluded: null });
    expect(asking({ allowed: new Set(['claude']) })).toEqual({ arm: 'claude', excluded: null });
    expect(asking({ requested: claude })).toEqual({ arm: 'claude', excluded: null });
    expect(asking({ stayWith: { arm: 'claude', as: 'tool_calls' } })).toEqual({ arm: 'claude', excluded: null });
    expect(asking({ stayWith: { arm: 'claude', as: 'session' } }).excluded).toBe(reason);
    expect(asking({ allowed: new Set(['big']) }).excluded).toContain('not among the models');
    // It does not help if the breaker of the other arm is open, either: the client needs this form.
    for (const arm of ['big', 'big', 'blind', 'blind']) breakers.enter(arm)('failed');
    expect(breakers.reason('big')).not.toBeNull();
    expect(asking().excluded).toBe(reason);
  });

  it("measures input in each arm's own tokens", () => {
    const { router, knowledge } = setUp();
    knowledge.statistics.learnInput('blind', { inputCharacters: 1e9, inputBytes: 1e9 }, 1e9);
    expect(explained(router, {}, 'blind')?.inputTokens).toBe(400);
    expect(explained(router, {}, 'small')?.inputTokens).toBe(100);
    // The prior of 2,000 bytes at a quarter still counts beside the newest megabyte.
    expect(explained(router, { profile: profileOf({ inputBytes: 2100 }) }, 'blind')?.excluded).toContain('2097');
  });

  it('lists the reason of every arm if none is left', () => {
    const { router } = setUp({ arms: [BLIND, armOf('tiny', { maxOutputTokens: 5 })] });
    let error: unknown;
    try {
      router.decide(query({ profile: profileOf({ needs: ['tools'], maxOutputTokens: 10 }) }));
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(GatewayError);
    expect(error).toMatchObject({ status: 400, param: 'model', code: 'no_eligible_model' });
    expect(String(error)).toMatch(/blind: .*tools/);
    expect(String(error)).toMatch(/tiny: max_tokens 10 exceeds.*5/);
  });

  it("uses OpenAI's error code if a shorter request could be served", () => {
    const { router } = setUp({ arms: [BLIND, armOf('tiny', { contextWindow: 50 })] });
    const decide = () => router.decide(query({ profile: profileOf({ needs: ['tools'], maxOutputTokens: 10 }) }));
    expect(decide).toThrow(/blind: .*tools.*tiny: about 110 tokens.*50/);
    expect(decide).toThrow(
      expect.objectContaining({ status: 400, param: 'messages', code: 'context_length_exceeded' }),
    );
  });

  it('sends a request to the model it names, without checking what that model can do', () => {
    const { router } = setUp({ exploration: 'thompson' });
    const decision = router.decide(query({ requested: BLIND, profile: profileOf({ needs: ['vision'] }) }));
    expect(decision).toMatchObject({ arm: 'blind', chosenBy: 'request', propensity: 1, runnerUp: null });
    expect(decision.arms.find(({ arm }) => arm === 'big')?.excluded).toMatch(/names another model/);
    expect(decision.referenceCostUsd).toBeNull();
  });

  it('expects no more output than the request and the model allow', () => {
    const capped = setUp({ arms: [BIG, armOf('short', { maxOutputTokens: 20 })] }).router;
    const profile = profileOf({ maxOutputTokens: 10 });
    const expected = (profile: Partial<RouteQuery>, arm: string) => {
      const { outputTokens, costUsd } = explained(capped, profile, arm) ?? {};
      return [outputTokens, costUsd];
    };
    expect(expected({}, 'short')).toEqual([20, expect.closeTo((120 * 10) / 1e6, 12)]);
    expect(expected({ profile }, 'short')).toEqual([10, expect.closeTo((110 * 10) / 1e6, 12)]);
    expect(expected({ profile }, 'big')).toEqual([10, expect.closeTo((110 * 10) / 1e6, 12)]);
  });

  it("penalises an arm's queue by its slots and service time", () => {
    const { router, load, knowledge } = setUp();
    knowledge.statistics.learnService('big', 60);
    for (let i = 0; i < 3; i++) load.enter('big');
    expect(router.decide(query()).arm).toBe('big');
    const leave = load.enter('big');
    const waiting = explained(router, {}, 'big');
    expect(waiting?.waitS).toBe(15);
    expect(waiting?.penalty).toBeCloseTo(0.25 * (Math.exp(-2) - Math.exp(-4)), 12);
    expect(waiting?.score).toBeCloseTo(0.755 - (waiting?.penalty ?? 0), 9);
    for (let i = 0; i < 4; i++) load.enter('big');
    expect(router.decide(query()).arm).toBe('small');
    leave();
  });

  it('uses the rest of a rate limit as the wait if it is longer than the queue', () => {
    const { router, load, rateLimits, clock, knowledge } = setUp();
    knowledge.statistics.learnService('big', 60);
    for (let i = 0; i < 4; i++) load.enter('big');
    for (let i = 0; i < 6; i++) {
      rateLimits.refused('big', null, clock.monotonic());
      clock.advance(i < 5 ? 1000 : 2000);
    }
    // A guessed wait excludes no arm.
    expect(explained(router, {}, 'big')).toMatchObject({ waitS: 30, excluded: null });
    expect(explained(router, {}, 'big')?.penalty).toBeCloseTo(0.25 * (1 - Math.exp(-4)), 12);
    expect(router.decide(query()).arm).toBe('small');
    clock.advance(20_000);
    expect(explained(router, {}, 'big')?.waitS).toBe(15);
    rateLimits.served('big', clock.monotonic());
    expect(explained(router, {}, 'big')?.waitS).toBe(15);
    expect(router.decide(query()).arm).toBe('big');
  });

  it('expects an overdue silence to last as long again, so an upstream that hangs is soon avoided', () => {
    const { router, silence, clock, knowledge } = setUp();
    knowledge.statistics.learnService('big', 2);
    const calls = [silence.enter('big'), silence.enter('big')];
    clock.advance(6000);
    expect(explained(router, {}, 'big')).toMatchObject({ waitS: 0, penalty: 0 });
    clock.advance(30_000);
    expect(explained(router, {}, 'big')).toMatchObject({ waitS: 30, excluded: null });
    expect(router.decide(query()).arm).toBe('small');
    calls[0].ends(true);
    expect(router.decide(query()).arm).toBe('big');
  });

  it('excludes an arm whose upstream asked for a pause beyond patience, unless it is the last one', () => {
    const { router, rateLimits, breakers, clock } = setUp();
    rateLimits.refused('big', 17_000, clock.monotonic());
    const reason = 'its upstream asked for a pause of another 17 s';
    expect(explained(router, {}, 'big')).toMatchObject({ waitS: 17, excluded: reason, score: null });
    expect(router.decide(query({ requested: BIG })).arm).toBe('big');
    expect(router.decide(query({ allowed: new Set(['big']) })).arm).toBe('big');
    // A later guess does not shorten the requested pause.
    rateLimits.refused('big', null, clock.monotonic());
    expect(explained(router, {}, 'big')).toMatchObject({ excluded: reason, paused: true });
    clock.advance(11_999);
    expect(explained(router, {}, 'big')?.excluded).toBe('its upstream asked for a pause of another 6 s');
    clock.advance(1);
    expect(explained(router, {}, 'big')).toMatchObject({ waitS: 5, excluded: null });
    rateLimits.refused('big', 17_000, clock.monotonic());
    for (const arm of ['small', 'blind']) for (let i = 0; i < 2; i++) breakers.enter(arm)('failed');
    // A paused arm is preferred to arms that fail.
    const broken = 'breaker open for 10 s after 2 failures';
    expect(router.decide(query()).arms.map(({ excluded }) => excluded)).toEqual([broken, null, broken]);
    rateLimits.served('big', clock.monotonic());
    expect(router.decide(query()).arm).toBe('big');
  });

  it('staying with an arm reports no draw or flips, and the best other arm as runner-up', () => {
    const { router } = setUp({ exploration: 'thompson' });
    const decision = router.decide(query({ weight: 0.1, stayWith: { arm: 'big', as: 'session' } }));
    expect(decision).toMatchObject({ arm: 'big', propensity: 1, flipBelow: null, flipAbove: null });
    expect(decision.arms.map(({ arm, propensity }) => [arm, propensity])).toEqual([
      ['small', 0],
      ['big', 1],
      ['blind', 0],
    ]);
    const best = decision.arms.filter(({ arm }) => arm !== 'big').sort((a, b) => (b.score ?? 0) - (a.score ?? 0))[0];
    expect(decision.runnerUp).toEqual({ arm: best.arm, score: best.score });
  });

  it('excludes an arm with an open breaker, says so, and readmits it', () => {
    const { router, breakers, clock } = setUp();
    for (let i = 0; i < 2; i++) breakers.enter('big')('failed');
    const decision = router.decide(query({ stayWith: { arm: 'big', as: 'session' } }));
    expect(decision).toMatchObject({ arm: 'small', chosenBy: 'score' });
    expect(decision.arms.find(({ arm }) => arm === 'big')).toMatchObject({
      excluded: 'breaker open for 10 s after 2 failures',
      score: null,
    });
    clock.advance(10_000);
    expect(router.decide(query()).arm).toBe('big');
    const probe = breakers.enter('big');
    expect(router.decide(query()).arm).toBe('small');
    probe('ok');
    expect(router.decide(query()).arm).toBe('big');
  });

  it('prices cached input as such, up to the whole input', () => {
    const cachedArm = { ...BIG, price: { ...BIG.price, cachedInput: 1 } };
    const { router } = setUp({ arms: [SMALL, cachedArm] });
    const of = (tokens: number) =>
      explained(router, { cachedTokens: new Map([[upstreamOf(cachedArm), tokens]]) }, 'big');
    expect(of(60)).toMatchObject({ inputTokens: 100, cachedTokens: 60 });
    expect(of(60)?.costUsd).toBeCloseTo((40 * 10 + 60 * 1 + 300 * 10) / 1e6, 12);
    expect(of(5000)).toMatchObject({ cachedTokens: 100, costUsd: expect.closeTo((100 * 1 + 300 * 10) / 1e6, 12) });
    expect(explained(router, {}, 'big')).toMatchObject({ cachedTokens: 0 });
  });

  it('prices a long prompt as such, for the arm, and for the reference if it cannot answer', () => {
    const dear = { ...BIG, price: { ...BIG.price, longPrompt: { ...BIG.price, above: 99, input: 20, output: 30 } } };
    const { router } = setUp({ arms: [SMALL, dear] });
    const long = (20 * 100 + 30 * 300) / 1e6;
    expect(explained(router, {}, 'big')).toMatchObject({ inputTokens: 100, costUsd: expect.closeTo(long, 12) });
    const usual = explained(router, { profile: profileOf({ inputBytes: 396 }) }, 'big');
    expect(usual).toMatchObject({ inputTokens: 99, costUsd: expect.closeTo((10 * 99 + 10 * 300) / 1e6, 12) });
    const without = router.decide(query({ allowed: new Set(['small']) }));
    expect(without.referenceMeanCostUsd).toBeCloseTo(long, 12);
  });

  it('tells savings against a reference that always answers, and so has the conversation in its cache', () => {
    const reference = { ...BIG, price: { ...BIG.price, cachedInput: 1 } };
    const { router } = setUp({ arms: [SMALL, reference] });
    const elsewhere = router.decide(query({ cachedTokens: new Map([[upstreamOf(SMALL), 80]]), heldByReference: 80 }));
    const own = explanationOf(elsewhere, 'big')?.costUsd ?? 0;
    expect(own).toBeCloseTo((100 * 10 + 300 * 10) / 1e6, 12);
    expect(elsewhere.referenceCostUsd).toBeCloseTo((20 * 10 + 80 * 1 + 300 * 10) / 1e6, 12);
    expect(elsewhere.referenceCachedTokens).toBe(80);
    expect(elsewhere.referenceMeanCostUsd).toBeCloseTo(elsewhere.referenceCostUsd ?? 0, 12);
    const here = router.decide(query({ cachedTokens: new Map([[upstreamOf(reference), 80]]), heldByReference: 80 }));
    expect(here.referenceCostUsd).toBe(explanationOf(here, 'big')?.costUsd);
    expect(here).not.toHaveProperty('referenceCachedTokens');
    const more = router.decide(query({ cachedTokens: new Map([[upstreamOf(reference), 80]]), heldByReference: 40 }));
    expect(more.referenceCostUsd).toBe(explanationOf(more, 'big')?.costUsd);
    // Another arm holds more of it than the reference.
    const less = router.decide(query({ cachedTokens: new Map([[upstreamOf(reference), 30]]), heldByReference: 80 }));
    expect(less.referenceCostUsd).toBeCloseTo((20 * 10 + 80 * 1 + 300 * 10) / 1e6, 12);
    expect(less.referenceCachedTokens).toBe(80);
    // No more than the query itself has.
    expect(router.decide(query({ heldByReference: 500 })).referenceCachedTokens).toBe(100);
  });

  it('asks an arm that seems too small only by what denser texts have taught, where no other is left', () => {
    const small = { ...SMALL, contextWindow: 150 };
    const { router, knowledge } = setUp({ arms: [small, { ...BIG, contextWindow: 10 }] });
    const dense = { inputCharacters: 1_000_000, inputBytes: 1_000_000 };
    knowledge.statistics.learnInput('small', dense, 700_000);
    const asked = router.decide(query());
    expect(asked.arm).toBe('small');
    expect(explanationOf(asked, 'small')?.inputTokens).toBeGreaterThan(250);
    const longer = query({ profile: profileOf({ inputBytes: 800 }) });
    expect(() => router.decide(longer)).toThrow('exceed its context window of 150');
    // What this upstream itself has counted of the conversation is no such thing.
    const before = { tokens: 160, size: { inputCharacters: 400, inputBytes: 400, images: 0 } };
    const counted = query({ countedInput: new Map([[upstreamOf(small), before]]) });
    expect(() => router.decide(counted)).toThrow('exceed its context window of 150');
    const roomy = { ...BIG, contextWindow: 1000 };
    const both = setUp({ arms: [small, roomy] });
    both.knowledge.statistics.learnInput('small', dense, 700_000);
    expect(explanationOf(both.router.decide(query()), 'small')?.excluded).toContain('exceed its context window');
  });

  it('prices such a request by what it has learned of the arm', () => {
    const keyBudget = { leftUsd: 1, choices: 1, otherBytes: 0, refusal: () => new GatewayError(429, 'spent') };
    const worst = (contextWindow: number) => {
      const { router, knowledge } = setUp({ arms: [{ ...SMALL, contextWindow }] });
      knowledge.statistics.learnInput('small', { inputCharacters: 1e6, inputBytes: 1e6 }, 700_000);
      return router.decide(query({ keyBudget, profile: profileOf({ inputBytes: 4000 }) })).arms[0].worstCaseUsd;
    };
    // It is as long as the window: by the usual number, the input would cost at most 1,550 tokens in both.
    expect(worst(2000)).toBeGreaterThan(worst(1900) ?? Number.NaN);
  });

  it('does not call a request too long that is refused for another reason', () => {
    const { router, knowledge } = setUp({ arms: [{ ...SMALL, contextWindow: 1000, maxOutputTokens: 5 }] });
    for (let i = 0; i < 100; i++) {
      knowledge.statistics.learnInput('small', { inputCharacters: 1e6, inputBytes: 1e6 }, 190_000);
    }
    const asked = query({ profile: profileOf({ inputBytes: 4500, maxOutputTokens: 10 }) });
    expect(() => router.decide(asked)).toThrow(expect.objectContaining({ code: 'no_eligible_model' }));
  });

  it('uses a free model though nothing is left of the budget of a key', () => {
    const refusal = () => new GatewayError(429, 'spent');
    const keyBudget = { leftUsd: 0, choices: 1, otherBytes: 0, refusal };
    const { router } = setUp({ arms: [armOf('free', { usd: 0 }), SMALL] });
    expect(router.decide(query({ keyBudget })).arm).toBe('free');
    expect(() => setUp({ arms: [SMALL] }).router.decide(query({ keyBudget }))).toThrow('spent');
  });

  it('does not refuse a long text in a script that it has not seen yet, because it could never learn from it', () => {
    const { router } = setUp({ arms: [{ ...SMALL, contextWindow: 1000 }] });
    const hindi = (inputBytes: number) =>
      query({ profile: profileOf({ inputBytes, inputCharacters: inputBytes / 3 }) });
    expect(router.decide(hindi(7800)).arms[0]).toMatchObject({ excluded: null, inputTokens: 1950 });
    expect(() => router.decide(hindi(8400))).toThrow('exceed its context window of 1000');
    for (const inputEastAsianBytes of [0, 4200]) {
      const inputCharacters = inputEastAsianBytes > 0 ? 1400 : 4200;
      const profile = profileOf({ inputBytes: 4200, inputCharacters, inputEastAsianBytes });
      expect(() => router.decide(query({ profile }))).toThrow('exceed');
    }
  });

  it('lets an arm finish a loop of tool calls despite the quality target', () => {
    const { router } = setUp({ targets: { guard: { share: 0.97, confidence: 0.5 } } });
    const asked = (as: 'session' | 'tool_calls') => router.decide(query({ stayWith: { arm: 'small', as } }));
    expect(asked('session')).toMatchObject({ arm: 'big', chosenBy: 'score' });
    expect(asked('tool_calls')).toMatchObject({ arm: 'small', chosenBy: 'tool_calls', propensity: 1 });
    expect(asked('tool_calls').arms.find(({ arm }) => arm === 'small')?.excluded).toBeNull();
    const gone = router.decide(query({ stayWith: { arm: 'gone', as: 'tool_calls' } }));
    expect(gone).toMatchObject({ arm: 'big', chosenBy: 'score' });
    expect(gone.arms.find(({ arm }) => arm === 'small')?.excluded).toContain('quality');
  });

  it('ignores open breakers for a named arm, or if no other arm is left', () => {
    const { router, breakers } = setUp();
    for (const arm of ['big', 'small', 'blind', 'big', 'small']) breakers.enter(arm)('failed');
    expect(router.decide(query()).arm).toBe('blind');
    expect(router.decide(query({ requested: BIG })).arm).toBe('big');
    expect(router.decide(query({ profile: profileOf({ needs: ['vision'] }) })).arm).toBe('big');
    expect(router.decide(query({ allowed: new Set(['small']) })).arm).toBe('small');
    breakers.enter('blind')('failed');
    expect(router.decide(query()).arm).toBe('big');
  });

  it("records the budget's weight if the key's bounds replaced it", () => {
    expect(setUp().router.decide(query({ budgetWeight: 0.9 })).budgetWeight).toBe(0.9);
    expect(setUp().router.decide(query())).not.toHaveProperty('budgetWeight');
  });

  it('reports costs relative to the mean predicted cost of the reference', () => {
    const { router, knowledge } = setUp();
    knowledge.statistics.learnReference('big', { input: 3600, cachedInput: 0, output: 0 });
    const decision = router.decide(query());
    expect(decision.referenceMeanCostUsd).toBeCloseTo(0.02, 12);
    expect(decision.referenceCostUsd).toBeCloseTo(0.004, 12);
  });

  it("uses the reference's cost for this request if no mean is known, even if it may not answer", () => {
    const { router } = setUp();
    const allowed = new Set(['small', 'blind']);
    const decision = router.decide(query({ allowed }));
    expect(decision.referenceMeanCostUsd).toBeCloseTo(0.004, 12);
    expect(decision.referenceCostUsd).toBeNull();
    const limited = query({ allowed, profile: profileOf({ maxOutputTokens: 50 }) });
    expect(router.decide(limited).referenceMeanCostUsd).toBeCloseTo(((100 + 50) * 10) / 1e6, 12);
  });

  it('uses a known mean even if the reference may not answer', () => {
    const { router, knowledge } = setUp();
    knowledge.statistics.learnReference('big', { input: 3600, cachedInput: 0, output: 0 });
    const decision = router.decide(query({ allowed: new Set(['small', 'blind']) }));
    expect(decision.referenceMeanCostUsd).toBeCloseTo(0.036, 12);
  });

  it("records that the key's budget is strict", () => {
    const keyBudget = { leftUsd: 1, choices: 1, otherBytes: 0, refusal: () => new GatewayError(429, 'spent') };
    const decided = (strict: boolean) => setUp().router.decide(query({ keyBudget: { ...keyBudget, strict } }));
    expect(decided(true).strictBudget).toBe(true);
    expect(decided(false)).not.toHaveProperty('strictBudget');
  });

  it('uses the cost of the most expensive candidate if the reference is free', () => {
    const { router } = setUp({ arms: [SMALL, armOf('big', { usd: 0 }), BLIND] });
    expect(router.decide(query()).referenceMeanCostUsd).toBeCloseTo(0.0008, 12);
    expect(router.decide(query({ allowed: new Set(['small']) })).referenceMeanCostUsd).toBeCloseTo(0.0004, 12);
  });

  it('reports no flip for random choices, and never the chosen arm as runner-up', () => {
    const { router, knowledge } = setUp({ exploration: 'thompson' });
    knowledge.launches.begin('small');
    const decisions = Array.from({ length: 400 }, () => router.decide(query()));
    const tried = decisions.filter(({ chosenBy }) => chosenBy === 'launch');
    expect(tried.length).toBeGreaterThan(40);
    for (const { arm, runnerUp, flipBelow, flipAbove, arms } of tried) {
      expect([flipBelow, flipAbove]).toEqual([null, null]);
      const others = arms.filter((other) => other.arm !== arm).sort((a, b) => (b.score ?? 0) - (a.score ?? 0));
      expect(runnerUp).toEqual({ arm: others[0].arm, score: others[0].score });
    }
    for (const { arm, runnerUp } of decisions) expect(runnerUp?.arm).not.toBe(arm);
  });
});

describe('Router.decide without a usable learner', () => {
  const degradedBy = (spoil: (knowledge: RoutingKnowledge) => void) => {
    const { router, knowledge } = setUp({ exploration: 'thompson' });
    spoil(knowledge);
    return router;
  };

  it('lets the reference answer if the policy throws', () => {
    const router = degradedBy(({ policy }) => {
      policy.decide = () => {
        throw new Error('out of sorts');
      };
    });
    expect(router.decide(query({ weight: 0 }))).toMatchObject({
      arm: 'big',
      chosenBy: 'reference',
      propensity: 1,
      degraded: 'learner: out of sorts',
      runnerUp: null,
      flipBelow: null,
      flipAbove: null,
    });
    const other = router.decide(query({ allowed: new Set(['blind', 'small']) }));
    expect(other).toMatchObject({ arm: 'small', chosenBy: 'reference' });
    expect(router.decide(query({ requested: BLIND }))).toMatchObject({ arm: 'blind', chosenBy: 'request' });
    const asking = router.decide(query({ stayWith: { arm: 'small', as: 'tool_calls' } }));
    expect(asking).toMatchObject({ arm: 'small', chosenBy: 'tool_calls', degraded: 'learner: out of sorts' });
    expect(() => router.decide(query({ allowed: new Set() }))).toThrow(GatewayError);
  });

  it('lets the reference answer if any number is not finite: in context, statistics or sums', () => {
    const spoilt: [string, (knowledge: RoutingKnowledge) => void, Partial<RouteQuery>][] = [
      ['context', () => {}, { context: { featureMap: 'map-1', values: Float32Array.of(1, Number.NaN, 0) } }],
      ['tokens', ({ statistics }) => spoilTokens(statistics), {}],
      ['service', ({ statistics }) => statistics.learnService('small', Number.NaN), {}],
      ['sums', ({ policy }) => spoilModels(policy as LinearPolicy), {}],
    ];
    for (const [name, spoil, fields] of spoilt) {
      const decision = degradedBy(spoil).decide(query(fields));
      expect(decision, name).toMatchObject({ arm: 'big', chosenBy: 'reference' });
      expect(decision.degraded, name).toContain('not a finite number');
    }
  });
});
