import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/util/random.ts';
import { cleanup } from '../support/cleanup.ts';
import { ask, get, plainAnswer, send, settled, startTestGateway } from '../support/gateway.ts';
import { until } from '../support/until.ts';

const kept = cleanup();
const HEADER = 'x-mixllm-ask-feedback';

describe('learning.audit', () => {
  it('marks answers in header and decision, streamed or not; unrequested ratings await calibration', async () => {
    const config = { learning: { audit: 0.5 } };
    const gateway = kept(await startTestGateway({ config, random: seededRandom(7) }));
    const answers = [];
    for (let i = 0; i < 12; i++) {
      const body = ask(`query ${i}`, { model: 'big', stream: i % 2 === 0 });
      answers.push(await send(`${gateway.url}/v1/chat/completions`, body));
    }
    await settled(gateway);
    const shown = [];
    for (const { headers } of answers) {
      const id = headers.get('x-mixllm-decision-id');
      shown.push((await get(`${gateway.url}/v1/decisions/${id}`)).json.ask_feedback);
      await send(`${gateway.url}/feedback`, { id, rating: 'up' });
    }
    const marked = answers.map(({ headers }) => headers.get(HEADER) === '1');
    expect(shown).toEqual(marked);
    const streamed = marked.filter((_, i) => i % 2 === 0);
    for (const some of [streamed, marked]) expect(new Set(some).size).toBe(2);
    await settled(gateway);
    const weights = await Promise.all(
      answers.map(async ({ headers }) => {
        const { json } = await get(`${gateway.url}/v1/decisions/${headers.get('x-mixllm-decision-id')}`);
        return json.ratings[0].inclusion_weight;
      }),
    );
    expect(weights).toEqual(marked.map((isMarked) => (isMarked ? 2 : null)));
    const count = marked.filter(Boolean).length;
    expect(gateway.gateway.learner.knowledge.policy.ratingsOf('big')).toBe(count);
    const metrics = await get(`${gateway.url}/metrics`);
    expect(metrics.text).toContain(`mixllm_feedback_requests_total{reason="audit"} ${count}`);
    // Ratings from another source do not count as volunteered.
    const unasked = answers[marked.indexOf(false)].headers.get('x-mixllm-decision-id');
    await send(`${gateway.url}/feedback`, { id: unasked, rating: 'up', source: 'judge' });
    expect(gateway.gateway.learner.knowledge.policy.ratingsOf('big')).toBe(count + 1);
  });

  it('does not ask for a rating of a failed request', async () => {
    const failing = plainAnswer({ status: 400 });
    const config = { learning: { audit: 1 } };
    const gateway = kept(await startTestGateway({ config, answers: { big: failing } }));
    const { status, headers } = await send(`${gateway.url}/v1/chat/completions`, ask('x'));
    expect([status, headers.get(HEADER)]).toEqual([400, null]);
  });
});

describe('learning.ask', () => {
  it('asks only where there was a choice, for streamed and plain answers', async () => {
    const gateway = kept(await startTestGateway({ config: { learning: { ask: 1 } } }));
    const chat = async (model: string, stream: boolean) =>
      (await send(`${gateway.url}/v1/chat/completions`, ask('x', { model, stream }))).headers;
    const routed = [await chat('auto', false), await chat('auto', true)];
    const named = [await chat('big', false), await chat('big', true)];
    expect(routed.map((headers) => headers.get(HEADER))).toEqual(['1', '1']);
    expect(named.map((headers) => headers.get(HEADER))).toEqual([null, null]);
    const shown = (headers: Headers) => get(`${gateway.url}/v1/decisions/${headers.get('x-mixllm-decision-id')}`);
    expect([(await shown(routed[0])).json.ask_feedback, (await shown(named[0])).json.ask_feedback]).toEqual([
      true,
      false,
    ]);
    expect((await get(`${gateway.url}/metrics`)).text).toContain('mixllm_feedback_requests_total{reason="teaches"} 2');
  });
});

describe('learning.implicit', () => {
  it('takes a repeated query as a weak rating, which clients cannot forge and a real rating replaces', async () => {
    const config = { learning: { implicit: { regenerate: {} } } };
    const gateway = kept(await startTestGateway({ config }));
    const chat = () =>
      send(`${gateway.url}/v1/chat/completions`, ask('x', { model: 'big' }), { headers: { 'x-session-id': 's' } });
    const ratings = () => gateway.gateway.learner.knowledge.policy.ratingsOf('big');
    const first = (await chat()).headers.get('x-mixllm-decision-id');
    for (let i = 0; i < 3; i++) {
      await chat();
      await settled(gateway);
      expect(ratings()).toBeCloseTo(0.1 * (i + 1), 9);
    }
    const shown = (await get(`${gateway.url}/v1/decisions/${first}`)).json.ratings;
    expect(shown).toMatchObject([{ source: 'implicit:regenerate', score: 0.2, active: true }]);
    await send(`${gateway.url}/feedback`, { id: first, rating: 'up' });
    expect(ratings()).toBeCloseTo(1.2, 9);
    const forged = await send(`${gateway.url}/feedback`, { id: first, score: 0, source: 'implicit:abort' });
    expect([forged.status, forged.json.error.param]).toEqual([400, 'source']);
  });

  it('takes leaving a stream after its first tokens as an even weaker rating', async () => {
    const config = { learning: { implicit: { abort: {} } } };
    const slow = plainAnswer({ text: 'word '.repeat(200), streamMs: 20_000 });
    const gateway = kept(await startTestGateway({ config, answers: { big: slow } }));
    const leaving = new AbortController();
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(ask('x', { stream: true })),
      signal: leaving.signal,
    });
    await response.body?.getReader().read();
    leaving.abort();
    await until(() => gateway.gateway.learner.knowledge.policy.ratingsOf('big') > 0);
    expect(gateway.gateway.learner.knowledge.policy.ratingsOf('big')).toBe(0.05);
    expect((await get(`${gateway.url}/metrics`)).text).toContain('mixllm_implicit_signals_total{signal="abort"} 1');
  });
});
