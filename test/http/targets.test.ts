import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { seededRandom } from '../../src/util/random.ts';
import { bitsOf } from '../gateway/unit/support.ts';
import { FakeStore } from '../support/fake-store.ts';
import { ask, get, plainAnswer, send, settled, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ManualClock } from '../support/manual-clock.ts';

const open: TestGateway[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((gateway) => gateway.close()));
});

async function start(options: Parameters<typeof startTestGateway>[0]): Promise<TestGateway> {
  const gateway = await startTestGateway({ random: seededRandom(1), ...options });
  open.push(gateway);
  return gateway;
}

const NOON = Date.UTC(2026, 0, 15, 12);

/** An answer of 250 output tokens costs 0.01 USD from `big` (40 USD per million) and 0.001 USD from `small` (4 USD). */
const long = plainAnswer({ inputTokens: 0, outputTokens: 250 });
const answers = { big: long, small: long };

const metric = async (gateway: TestGateway, name: string) =>
  Number(new RegExp(`^mixllm_${name}(?:\\{.*\\})? (.*)$`, 'm').exec((await get(`${gateway.url}/metrics`)).text)?.[1]);

async function chat(gateway: TestGateway, fields: object = {}) {
  const answer = await send(`${gateway.url}/v1/chat/completions`, ask('What is 17 * 23?', fields));
  await settled(gateway);
  return answer;
}

describe('routing.targets.budget', () => {
  it('sets the weight of requests that name none, and reports target, spending and weight', async () => {
    const gateway = await start({
      answers,
      config: { routing: { weight: 0.999, targets: { budget: { usd_per_request: 0.002 } } } },
    });
    for (let i = 0; i < 40; i++) expect((await chat(gateway)).status).toBe(200);
    const { routingSpend } = gateway.gateway.learner.knowledge;
    // It includes the last answer, although nothing has been requested since.
    expect(await metric(gateway, 'budget_spent_usd')).toBe(routingSpend.meanUsd);
    const { json: decision } = await send(`${gateway.url}/v1/route`, ask('What is 17 * 23?'));
    expect(decision).toMatchObject({ weight_from: 'budget', budget_usd: 0.002 });
    expect(decision.weight).toBeLessThan(0.999);
    expect(await metric(gateway, 'budget_target_usd')).toBe(0.002);
    expect(await metric(gateway, 'budget_weight')).toBeCloseTo(decision.weight, 9);
    expect(1 / (1 + routingSpend.nu(0.5))).toBeCloseTo(decision.weight, 9);
    const named = await send(`${gateway.url}/v1/route`, ask('Hi', { model: 'auto:0.7' }));
    expect(named.json).toMatchObject({ weight: 0.7, weight_from: 'model' });
    // A budget removed from the config is no longer reported: a weight of 0 would look like any other.
    const { config } = gateway.gateway;
    gateway.gateway.reload({
      config: { ...config, routing: { ...config.routing, targets: {} } },
      missingKeys: new Map(),
    });
    expect((await get(`${gateway.url}/metrics`)).text).not.toMatch(/^mixllm_budget_/m);
  });

  it("refuses requests that the day's budget cannot pay for, until midnight", async () => {
    const clock = new ManualClock(NOON);
    const gateway = await start({
      answers,
      clock,
      config: { routing: { targets: { budget: { usd_per_day: 0.02 } } } },
    });
    let [spent, last] = [0, await chat(gateway)];
    for (let i = 0; i < 60 && last.status === 200; i++) {
      spent += Number(last.headers.get('x-mixllm-cost-usd'));
      last = await chat(gateway);
    }
    expect(last.status).toBe(429);
    expect(last.json.error).toMatchObject({ code: 'budget_spent', message: expect.stringContaining('midnight UTC') });
    const refused = /mixllm_refused_requests_total\{status="429",code="budget_spent"\} (\d+)/;
    expect(Number(refused.exec((await get(`${gateway.url}/metrics`)).text)?.[1])).toBeGreaterThan(0);
    expect(gateway.logged.filter((line) => line.includes('routing.targets.budget: requests are refused'))).toHaveLength(
      1,
    );
    expect([last.headers.get('x-should-retry'), last.headers.get('retry-after')]).toEqual([
      'false',
      String((86_400_000 - (clock.now() % 86_400_000)) / 1000),
    ]);
    expect(spent).toBeGreaterThan(0.015);
    expect(spent).toBeLessThan(0.02 * 1.01);
    expect(await metric(gateway, 'budget_spent_usd')).toBeCloseTo(spent, 9);
    clock.advance(12 * 3_600_000);
    expect(await metric(gateway, 'budget_spent_usd')).toBe(0);
    expect((await chat(gateway)).status).toBe(200);
  });
});

describe('a budget per request while the event log cannot be written', () => {
  it('keeps nothing reserved for requests that have ended', async () => {
    const store = new FakeStore();
    const config = { routing: { targets: { budget: { usd_per_request: 1 } } } };
    const clock = new ManualClock(NOON);
    const gateway = await start({ answers, clock, config, store });
    store.failing = true;
    await send(`${gateway.url}/v1/chat/completions`, ask('What is 17 * 23?', { model: 'big' }));
    const { routingSpend } = gateway.gateway.learner.knowledge;
    expect(2 * routingSpend.limitUsd({ usdPerDay: 1 }, clock.now())).toBe(1);
  });
});

describe('a daily budget while the event log cannot be written', () => {
  it('counts the requests that have ended, also after hours', async () => {
    const store = new FakeStore();
    const clock = new ManualClock(NOON);
    const target = { usdPerDay: 1 };
    const config = { routing: { targets: { budget: { usd_per_day: 1 } } } };
    const gateway = await start({ answers, clock, config, store });
    const left = () => 2 * gateway.gateway.learner.knowledge.routingSpend.limitUsd(target, clock.now());
    store.failing = true;
    const answer = await send(`${gateway.url}/v1/chat/completions`, ask('What is 17 * 23?', { model: 'big' }));
    expect(answer.status).toBe(200);
    expect(left()).toBeCloseTo(0.99, 9);
    clock.advance(3 * 3_600_000);
    expect(left()).toBeCloseTo(0.99, 9);
    store.failing = false;
    await settled(gateway);
    expect(left()).toBeCloseTo(0.99, 9);
    clock.advance(12 * 3_600_000);
    expect(left()).toBe(1);
  });
});

describe('requests that a daily budget refused', () => {
  it('are expected again on later days, also after a rebuild from the log, but a repeated one only once', async () => {
    const clock = new ManualClock(NOON);
    const target = { usdPerDay: 0.02 };
    const gateway = await start({
      answers,
      clock,
      config: { routing: { targets: { budget: { usd_per_day: 0.02 } } } },
    });
    // The first day is incomplete, so forecasts leave it out.
    await chat(gateway);
    clock.advance(24 * 3_600_000);
    let served = 0;
    while (served < 60 && (await chat(gateway)).status === 200) served++;
    // The last one was refused: it is one of the five.
    for (let i = 0; i < 4; i++) {
      const { status } = await chat(gateway, { messages: [{ role: 'user', content: `Question ${i}` }] });
      expect(status).toBe(429);
      expect((await chat(gateway)).status).toBe(429);
    }
    expect((await send(`${gateway.url}/v1/route`, ask('Just asking'))).status).toBe(429);
    clock.advance(12 * 3_600_000);
    const expected = () => 0.02 / gateway.gateway.learner.knowledge.routingSpend.targetUsd(target, clock.now());
    expect(expected()).toBeCloseTo(served + 5, 6);
    await gateway.gateway.learner.requestRefold();
    expect(expected()).toBeCloseTo(served + 5, 6);
  });
});

describe('what a daily budget reserves', () => {
  it('follows the model being called, even after a fallback, and survives a rebuild from the log', async () => {
    const target = { usdPerDay: 1 };
    const clock = new ManualClock(NOON);
    const limits: number[] = [];
    const predicted: number[] = [];
    let gateway: TestGateway | null = null;
    const look = () =>
      limits.push(gateway?.gateway.learner.knowledge.routingSpend.limitUsd(target, clock.now()) ?? NaN);
    gateway = await start({
      answers: {
        big: async (request) => {
          look();
          await gateway?.gateway.learner.requestRefold();
          look();
          return long(request);
        },
        small: (request) => {
          look();
          return plainAnswer({ status: 500, errorMessage: 'out of order' })(request);
        },
      },
      clock,
      config: {
        routing: { weight: 0.5, targets: { budget: { usd_per_day: 1 } } },
        resilience: { retries: 0 },
      },
    });
    const { headers } = await chat(gateway, { model: 'auto' });
    const { json: decision } = await get(`${gateway.url}/v1/decisions/${headers.get('x-mixllm-decision-id')}`);
    for (const id of ['small', 'big']) {
      predicted.push(decision.models.find(({ model }: { model: string }) => model === id).cost_usd);
    }
    expect(headers.get('x-mixllm-model')).toBe('big');
    expect(predicted[1]).toBeGreaterThan(predicted[0]);
    expect(limits).toEqual([predicted[0], predicted[1], predicted[1]].map((usd) => expect.closeTo((1 - usd) / 2, 9)));
  });
});

describe('routing.targets.quality', () => {
  it('excludes a model predicted below the required share of the best quality, and says so', async () => {
    const gateway = await start({
      answers,
      models: { big: { prior: { quality: 0.9 } }, small: { prior: { quality: 0.8 } } },
      config: { routing: { weight: 0, targets: { quality: 0.97 } } },
    });
    const { json } = await send(`${gateway.url}/v1/route`, ask('Hi'));
    expect(json.model).toBe('big');
    const small = json.models.find(({ model }: { model: string }) => model === 'small');
    expect(small).toMatchObject({ eligible: false, propensity: 0, quality: expect.closeTo(0.8, 6) });
    expect(small.excluded).toContain('quality');
  });
});

describe('learning.sources', () => {
  it('corrects and weights the ratings of an unreliable source, and trusts the others', async () => {
    const sources = { crowd: { true_positive: 0.9, false_positive: 0.3 } };
    const gateway = await start({ answers, config: { learning: { sources } } });
    const { json, headers } = await chat(gateway);
    const arm = headers.get('x-mixllm-model') as string;
    const rate = async (source: string) => {
      const answer = await send(`${gateway.url}/feedback`, { id: json.id, rating: 'up', source });
      await settled(gateway);
      return answer.json.feedback_id;
    };
    const { policy } = gateway.gateway.learner.knowledge;
    const id = await rate('crowd');
    expect(policy.ratingsOf(arm)).toBeCloseTo(0.36, 9);
    // They rate the same answer: together they count as one rating.
    await rate('user');
    expect(policy.ratingsOf(arm)).toBeCloseTo(1, 9);
    await send(`${gateway.url}/feedback/${id}`, null, { method: 'DELETE' });
    await settled(gateway);
    expect(policy.ratingsOf(arm)).toBeCloseTo(1, 9);
  });
});

describe('a model added beside known ones', () => {
  /** Adds the model `fresh` once the others are known. */
  const launchFresh = async (gateway: TestGateway, sections: object = {}) => {
    const { providers, models, storage } = gateway.gateway.config;
    const reload = async (ids: string[]) => {
      const offered = models.filter(({ id }) => ids.includes(id));
      const document = { providers, models: offered, storage, ...sections };
      gateway.gateway.reload(parseConfig(JSON.stringify(document), 'test.yaml', {}));
      await settled(gateway);
    };
    await reload(['big', 'small']);
    const { json } = await chat(gateway);
    await send(`${gateway.url}/feedback`, { id: json.id, score: 1 });
    await settled(gateway);
    await reload(['big', 'small', 'fresh']);
  };

  it('is launched: it shows "new, n of 30", and forced tries count', async () => {
    const gateway = await start({ answers: { ...answers, fresh: long } });
    await launchFresh(gateway);
    const launchOf = async () => {
      const { json: decision } = await send(`${gateway.url}/v1/route`, ask('Hi'));
      const of = (name: string) => decision.models.find(({ model }: { model: string }) => model === name);
      return [of('fresh'), of('big')];
    };
    const [fresh, big] = await launchOf();
    expect(fresh).toMatchObject({ launch: 'new, 0 of 30' });
    expect(fresh.propensity).toBeGreaterThanOrEqual(0.2);
    expect(big.launch).toBeNull();
    let forced = 0;
    for (let i = 0; i < 30; i++) {
      const answer = await chat(gateway);
      const record = await get(`${gateway.url}/v1/decisions/${answer.headers.get('x-mixllm-decision-id')}`);
      if (record.json.chosen_by === 'launch') forced++;
    }
    expect(forced).toBeGreaterThan(0);
    expect((await launchOf())[0].launch).toBe(`new, ${forced} of 30`);
  });

  it('gets no more forced tries than configured while the event log cannot be written', async () => {
    const store = new FakeStore();
    const gateway = await start({ answers: { ...answers, fresh: long }, store });
    await launchFresh(gateway, { learning: { launch: { tries: 2 } } });
    store.failing = true;
    for (let i = 0; i < 40; i++) await send(`${gateway.url}/v1/chat/completions`, ask('What is 17 * 23?'));
    expect(await metric(gateway, 'decisions_total{model="fresh",chosen_by="launch"}')).toBe(2);
    const { json: shown } = await send(`${gateway.url}/v1/route`, ask('Hi'));
    expect(shown.models.find(({ model }: { model: string }) => model === 'fresh').launch).toBe('new, 2 of 2');
    store.failing = false;
    await settled(gateway);
    expect(gateway.gateway.learner.knowledge.launches.progressOf('fresh')?.tries).toBe(2);
  });

  it('is launched once when an admin adds it and again when an admin resets it, but not by a restart', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mixllm-launch-'));
    try {
      const upstreams = await start({ answers });
      const urls = Object.fromEntries(Object.entries(upstreams.upstreams).map(([id, { url }]) => [id, url]));
      const storage = { url: `sqlite:${join(folder, 'log.db')}` };
      const first = await startTestGateway({ urls, config: { storage }, random: seededRandom(1) });
      const admin = (path: string, body: object | null, method = 'POST') =>
        send(`${first.url}/admin/models${path}`, body, { method });
      const launchesIn = async ({ gateway }: TestGateway) =>
        (await gateway.store.readAfter(0, 1000)).filter(({ type }) => type === 'launched').length;
      const launchOf = async ({ url }: TestGateway, name: string) => {
        const { json } = await send(`${url}/v1/route`, ask('Hi'));
        return json.models.find(({ model }: { model: string }) => model === name).launch;
      };
      const { json } = await chat(first, { model: 'big' });
      await send(`${first.url}/feedback`, { id: json.id, score: 1 });
      const fresh = { id: 'fresh', provider: 'big', model: 'fresh', price: { input: 1, output: 4 } };
      // A second change, before the launch event has come back from the log; the launch is in force after that.
      const changes = [admin('', fresh), admin('/small', { max_concurrency: 5 }, 'PATCH')];
      expect((await Promise.all(changes)).map(({ status }) => status)).toEqual([201, 200]);
      expect([await launchOf(first, 'fresh'), await launchOf(first, 'small')]).toEqual(['new, 0 of 30', null]);
      let forced = 0;
      for (let i = 0; i < 20; i++) {
        const answer = await chat(first);
        const { json: record } = await get(`${first.url}/v1/decisions/${answer.headers.get('x-mixllm-decision-id')}`);
        if (record.chosen_by === 'launch') forced++;
      }
      expect(forced).toBeGreaterThan(0);
      await admin('/fresh', null, 'DELETE');
      expect((await admin('', fresh)).status).toBe(201);
      await settled(first);
      expect(await launchOf(first, 'fresh')).toBe(`new, ${forced} of 30`);
      expect(await launchesIn(first)).toBe(1);
      expect((await admin('/fresh/reset', null)).status).toBe(200);
      expect([await launchOf(first, 'fresh'), await launchesIn(first)]).toEqual(['new, 0 of 30', 2]);
      await first.close();
      const second = await startTestGateway({ urls, config: { storage } });
      await settled(second);
      expect([await launchOf(second, 'fresh'), await launchesIn(second)]).toEqual(['new, 0 of 30', 2]);
      const [before, after] = [first, second].map(({ gateway }) => bitsOf(gateway.learner.knowledge));
      expect(after).toBe(before);
      await second.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
