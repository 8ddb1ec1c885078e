import { describe, expect, it } from 'vitest';
import { cleanup } from '../support/cleanup.ts';
import { ask, get, send, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { COMPLETION, startRawUpstream } from '../support/raw-upstream.ts';

const kept = cleanup();
const completions = (gateway: TestGateway) => `${gateway.url}/v1/chat/completions`;

type Refusal = [status: number, error: object, headers?: Record<string, string>];

/** Two models: the cheap one, which is asked first, fails this way; the expensive one is healthy or fails too. */
async function start(first: Refusal, second: Refusal | null = null, models: Record<string, object> = {}) {
  const upstream = async (refusal: Refusal | null) =>
    kept(
      await startRawUpstream((response) => {
        const [status, error, headers] = refusal ?? [200, COMPLETION];
        response.writeHead(status, { 'content-type': 'application/json', ...headers });
        response.end(JSON.stringify(refusal ? { error } : error));
      }),
    );
  const [small, big] = [await upstream(first), await upstream(second)];
  const config = { resilience: { retries: 0, breaker: { failures: 3, cooldown_s: 60 } } };
  const gateway = kept(await startTestGateway({ urls: { big: big.url, small: small.url }, models, config }));
  const chat = () => send(completions(gateway), ask('x', { model: 'auto:0' }));
  return { gateway, chat, calls: () => [small.bodies.length, big.bodies.length] };
}

const TOO_LONG = { message: 'Too long.', type: 'invalid_request_error', code: 'context_length_exceeded' };
const LARGER = { small: { context_window: 8000 }, big: { context_window: 16_000 } };

describe('a request that is too long for its model', () => {
  it('goes to a model that is known to be larger', async () => {
    const { chat, calls } = await start([400, TOO_LONG], null, LARGER);
    const answer = await chat();
    expect([answer.status, answer.headers.get('x-mixllm-model'), calls()]).toEqual([200, 'big', [1, 1]]);
  });

  it('goes to no other model if none is known to be larger', async () => {
    const { chat, calls } = await start([400, TOO_LONG]);
    const answer = await chat();
    expect([answer.status, answer.json.error, calls()]).toEqual([400, TOO_LONG, [1, 0]]);
  });

  it('keeps its error if the larger model refuses permanently, but not if that refusal may pass', async () => {
    const refused = await start([400, TOO_LONG], [401, { message: 'bad key' }], LARGER);
    expect((await refused.chat()).json.error).toEqual(TOO_LONG);
    const busy = await start([400, TOO_LONG], [503, { message: 'busy' }, { 'retry-after': '3' }], LARGER);
    const answer = await busy.chat();
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '3']);
  });

  it('is reported under the model whose error is passed on, with the number of attempts', async () => {
    const { gateway, chat } = await start([400, TOO_LONG], [401, { message: 'bad key' }], LARGER);
    const { headers } = await chat();
    expect([headers.get('x-mixllm-model'), headers.get('x-mixllm-attempts')]).toEqual(['small', '2']);
    const metrics = (await get(`${gateway.url}/metrics`)).text;
    expect(metrics).toContain('mixllm_requests_total{model="small",provider="small",status="400"} 1');
  });

  it('gets the error of the larger model if it was too long for both', async () => {
    const both = await start([400, TOO_LONG], [400, { ...TOO_LONG, message: 'Still too long.' }], LARGER);
    expect((await both.chat()).json.error.message).toBe('Still too long.');
  });

  it('is not assumed when a server fails with status 503 and such a message', async () => {
    const { chat, calls } = await start([503, { message: 'Crashed: maximum context length is 8000 tokens.' }]);
    expect([(await chat()).headers.get('x-mixllm-model'), calls()]).toEqual(['big', [1, 1]]);
  });
});

describe('a temporary failure before a fallback that refuses for its own reason', () => {
  const OVERLOADED: Refusal = [529, { message: 'Overloaded' }, { 'retry-after': '3' }];

  it.each<Refusal>([
    [401, { message: 'bad key' }],
    [402, { message: 'pay' }],
    [404, { message: 'no such model' }],
    [429, { message: 'x', code: 'insufficient_quota' }],
    [400, { message: 'x', code: 'model_not_found' }],
    [400, { message: 'Unrecognized request argument supplied: cache_control' }],
  ])('is what the client is told: %i %j', async (...refusal) => {
    const { chat, calls } = await start(OVERLOADED, refusal);
    const answer = await chat();
    expect([answer.status, answer.headers.get('retry-after'), calls()]).toEqual([529, '3', [1, 1]]);
  });

  it.each<Refusal>([
    [400, { message: 'messages is required' }],
    [503, { message: 'busy too' }],
    [451, { message: 'not here' }],
  ])('gives way to a more specific refusal: %i %j', async (...refusal) => {
    const { chat } = await start(OVERLOADED, refusal);
    expect((await chat()).json.error).toEqual(refusal[1]);
  });

  it('is what the client is told even if it has no error status', async () => {
    // An error under a status of success.
    const { chat, calls } = await start([200, { message: 'x' }], [401, { message: 'bad key' }]);
    expect([(await chat()).status, calls()]).toEqual([502, [1, 1]]);
  });

  it("gives way to the fallback's refusal if the failure is permanent", async () => {
    const cannot = { message: 'Unrecognized request argument supplied: cache_control' };
    const { chat } = await start([429, { message: 'x', code: 'insufficient_quota' }], [400, cannot]);
    expect((await chat()).json.error).toEqual(cannot);
  });
});

describe('a model that cannot be used for any request', () => {
  it.each<Refusal>([
    [400, { message: 'Incorrect API key provided: xa***1.' }],
    [400, { message: 'x', code: 'billing_hard_limit_reached' }],
    [429, { message: 'x', code: 'insufficient_quota' }],
  ])('is excluded after a few failures, even with status %i: %j', async (...refusal) => {
    const { gateway, chat, calls } = await start(refusal);
    for (let i = 0; i < 6; i++) expect((await chat()).headers.get('x-mixllm-model')).toBe('big');
    expect(calls()).toEqual([3, 6]);
    const { json } = await send(`${gateway.url}/v1/route`, ask('x', { model: 'auto:0' }));
    const small = json.models.find(({ model }: { model: string }) => model === 'small');
    expect(small.excluded).toContain('breaker open');
    expect((await get(`${gateway.url}/metrics`)).text).toContain('mixllm_breaker_state{model="small"} 2');
  });
});

it('a gateway upstream whose budget is too small for one request does not count as an unusable model', async () => {
  const message = 'The budget of key "a" ($0.5 per day) has $0.49 left, which does not cover any model\'s worst case.';
  const { gateway, chat } = await start([429, { message, code: 'insufficient_quota' }]);
  for (let i = 0; i < 4; i++) expect((await chat()).headers.get('x-mixllm-model')).toBe('big');
  expect((await get(`${gateway.url}/metrics`)).text).toContain('mixllm_breaker_state{model="small"} 0');
});

describe('a request that only some models accept', () => {
  it.each<Refusal>([
    [400, { message: 'registry.ollama.ai/library/gemma:2b does not support tools' }],
    [413, { message: 'Request too large for model', code: 'rate_limit_exceeded' }],
    [
      429,
      { message: 'Request too large for gpt-4o: Limit 30000, Requested 90000.', code: 'rate_limit_exceeded' },
      { 'retry-after': '60' },
    ],
    [403, { message: 'openai/gpt-4 requires moderation on OpenAI. Your input was flagged for "x".' }],
    [404, { message: 'No endpoints found that support image input' }],
    [400, { message: "Unknown parameter: 'thinking'.", code: 'unknown_parameter', param: 'thinking' }],
    [400, { message: 'Unrecognized request argument supplied: cache_control' }],
    [400, { message: 'Unrecognized request argument supplied: top_k' }],
    [
      400,
      {
        message:
          "Invalid 'messages[2]'. Image URLs are only allowed for messages with role 'user', but this message with role 'tool' contains an image URL.",
      },
    ],
  ])('goes to another model without opening a breaker: %i %j', async (...refusal) => {
    const { gateway, chat, calls } = await start(refusal);
    for (let i = 0; i < 4; i++) expect((await chat()).headers.get('x-mixllm-model')).toBe('big');
    expect(calls()).toEqual([4, 4]);
    expect((await get(`${gateway.url}/metrics`)).text).toContain('mixllm_breaker_state{model="small"} 0');
    const { json } = await send(`${gateway.url}/v1/route`, ask('x'));
    for (const { expected_wait_s } of json.models) expect(expected_wait_s).toBe(0);
  });

  it.each<Refusal>([
    [400, { message: "Unknown parameter: 'temprature'.", code: 'unknown_parameter', param: 'temprature' }],
    [400, { message: 'Please tell me: does it say "Your credit balance is too low"?' }],
    [422, { message: 'messages is required' }],
    [400, { message: "Invalid 'tools[0].function.name': 'it does not support tools'." }],
    [400, { message: 'Invalid name: "x exceeded model token limit".' }],
  ])('is not assumed when the client made a mistake: %i %j', async (...refusal) => {
    const { chat, calls } = await start(refusal);
    expect([(await chat()).json.error, calls()]).toEqual([refusal[1], [1, 0]]);
  });
});

describe('the retry headers of an upstream', () => {
  it('reach the client', async () => {
    const headers = { 'retry-after': '4', 'retry-after-ms': '3500', 'x-should-retry': 'false' };
    const { gateway, chat } = await start([429, { message: 'x' }, headers], [429, { message: 'y' }, headers]);
    const answer = await chat();
    expect(Object.keys(headers).map((name) => answer.headers.get(name))).toEqual(Object.values(headers));
    const { json } = await send(`${gateway.url}/v1/route`, ask('x'));
    for (const { expected_wait_s } of json.models) expect(expected_wait_s).toBeLessThanOrEqual(3.5);
  });
});
