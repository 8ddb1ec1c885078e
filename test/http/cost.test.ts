import { describe, expect, it } from 'vitest';
import { cleanup } from '../support/cleanup.ts';
import { ask, get, send, settled, startTestGateway } from '../support/gateway.ts';
import { startRawUpstream } from '../support/raw-upstream.ts';

const kept = cleanup();

const MESSAGE = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'm',
  content: [{ type: 'text', text: 'x' }],
  stop_reason: 'end_turn',
  usage: {
    input_tokens: 100,
    cache_read_input_tokens: 2000,
    cache_creation_input_tokens: 500,
    cache_creation: { ephemeral_5m_input_tokens: 400, ephemeral_1h_input_tokens: 100 },
    output_tokens: 50,
  },
};
const PRICE = { input: 3, cached_input: 0.3, cache_write: 3.75, output: 15 };
const INVOICED = (100 * 3 + 2000 * 0.3 + 400 * 3.75 + 100 * 6 + 50 * 15) / 1e6;

describe('the cost of an answer', () => {
  it("is the invoice's, and can be computed from the tokens in the decision, the metrics and the answer", async () => {
    const upstream = kept(await startRawUpstream((response) => response.end(JSON.stringify(MESSAGE))));
    const gateway = kept(
      await startTestGateway({
        urls: { big: `${upstream.url}/` },
        formats: { big: 'anthropic' },
        models: { big: { price: PRICE } },
      }),
    );
    const answer = await send(`${gateway.url}/v1/chat/completions`, ask('x', { model: 'big' }));
    expect(Number(answer.headers.get('x-mixllm-cost-usd'))).toBeCloseTo(INVOICED, 12);
    expect(answer.json.usage).toMatchObject({
      prompt_tokens: 2600,
      prompt_tokens_details: { cached_tokens: 2000, cache_write_tokens: 500 },
    });
    await settled(gateway);
    const { json } = await get(`${gateway.url}/v1/decisions/${answer.headers.get('x-mixllm-decision-id')}`);
    expect(json.outcome.cost_usd).toBeCloseTo(INVOICED, 12);
    expect(json.outcome.usage).toEqual({
      prompt_tokens: 2600,
      cached_prompt_tokens: 2000,
      cache_write_tokens: 500,
      hour_cache_write_tokens: 100,
      completion_tokens: 50,
      estimated: false,
    });
    const metrics = (await get(`${gateway.url}/metrics`)).text;
    for (const [kind, count] of Object.entries({ input: 2600, cached_input: 2000, cache_write: 500, output: 50 })) {
      expect(metrics).toContain(`mixllm_tokens_total{model="big",kind="${kind}"} ${count}`);
    }
    expect(metrics).toContain(`mixllm_cost_usd_total{model="big"} ${INVOICED}`);
  });
});
