import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/util/random.ts';
import { cleanup } from '../support/cleanup.ts';
import { ask, get, plainAnswer, send, settled, startTestGateway } from '../support/gateway.ts';

const kept = cleanup();
const HEADER = 'x-mixllm-ask-feedback';

describe('learning.audit', () => {
  it('marks answers, whole and streamed, in the header and in the decision; unasked ratings wait for calibration', async () => {
    const config = { learning: { audit: 0.5 } };
    const gateway = kept(await startTestGateway({ config, random: seededRandom(7) }));
    const answers = [];
    for (let i = 0; i < 24; i++) {
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
    const count = marked.filter(Boolean).length;
    expect(gateway.gateway.learner.knowledge.policy.ratingsOf('big')).toBe(count);
    const metrics = await get(`${gateway.url}/metrics`);
    expect(metrics.text).toContain(`mixllm_feedback_requests_total{reason="audit"} ${count}`);
    // Another source's ratings are not volunteered.
    const unasked = answers[marked.indexOf(false)].headers.get('x-mixllm-decision-id');
    await send(`${gateway.url}/feedback`, { id: unasked, rating: 'up', source: 'judge' });
    expect(gateway.gateway.learner.knowledge.policy.ratingsOf('big')).toBe(count + 1);
  });

  it('asks for no rating of what was not answered', async () => {
    const failing = plainAnswer({ status: 400 });
    const config = { learning: { audit: 1 } };
    const gateway = kept(await startTestGateway({ config, answers: { big: failing } }));
    const { status, headers } = await send(`${gateway.url}/v1/chat/completions`, ask('x'));
    expect([status, headers.get(HEADER)]).toEqual([400, null]);
  });
});

describe('learning.ask', () => {
  it('asks where there was something to choose, whole and streamed', async () => {
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
