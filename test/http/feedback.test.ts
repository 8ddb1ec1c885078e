import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, it } from 'vitest';
import { cleanup } from '../support/cleanup.ts';
import { type Answered, ask, get, send, settled, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { COMPLETION, chunk, sse, startRawUpstream } from '../support/raw-upstream.ts';

const kept = cleanup();
const folder = mkdtempSync(join(tmpdir(), 'mixllm-feedback-'));
afterAll(() => rmSync(folder, { recursive: true }));

const rate = ({ url }: TestGateway, body: object, path = '/feedback') => send(url + path, body);
const answer = ({ url }: TestGateway, text = 'Hello', fields = {}) =>
  send(`${url}/v1/chat/completions`, ask(text, fields));
const ratings = ({ gateway }: TestGateway, arm: string) => gateway.learner.knowledge.policy.ratingsOf(arm);
const decisionOf = ({ headers }: Answered) => String(headers.get('x-mixllm-decision-id'));

/** The deterministic part of what the gateway predicts for a query. */
async function predictions(gateway: TestGateway, text = 'What is the capital of France?') {
  await settled(gateway);
  const { json } = await send(`${gateway.url}/v1/route`, ask(text));
  return json.models.map(
    ({ model, quality, quality_sd, output_tokens, input_tokens, cost_usd, ratings }: Record<string, number>) => ({
      model,
      quality,
      quality_sd,
      output_tokens,
      input_tokens,
      cost_usd,
      ratings,
    }),
  );
}

describe('ratings', () => {
  it('are accepted by decision id and by completion id, on both paths', async () => {
    const gateway = kept(await startTestGateway());
    const first = await answer(gateway, 'one', { model: 'big' });
    const second = await answer(gateway, 'two', { model: 'big', stream: true });
    const streamedId = JSON.parse(second.text.split('\n')[0].slice('data: '.length)).id;
    for (const [id, path] of [
      [decisionOf(first), '/feedback'],
      [streamedId, '/v1/feedback'],
    ]) {
      const { status, json } = await rate(gateway, { id, rating: 'up', comment: 'fine' }, path);
      expect(status).toBe(202);
      expect(json.feedback_id).toMatch(/^fb_/);
    }
    await settled(gateway);
    expect(ratings(gateway, 'big')).toBe(2);
  });

  it('are known to the decision that follows their 202', async () => {
    const gateway = kept(await startTestGateway());
    for (let i = 1; i <= 20; i++) {
      const reply = await answer(gateway, `question ${i}`, { model: 'big' });
      await rate(gateway, { id: decisionOf(reply), score: 1 });
      const { json } = await send(`${gateway.url}/v1/route`, ask('What now?'));
      expect(json.models[0].ratings).toBe(i);
    }
  });

  it('name a missing field in the error', async () => {
    const gateway = kept(await startTestGateway());
    const refused = await rate(gateway, { score: 1 } as never);
    expect([refused.status, refused.json.error.message]).toEqual([400, '"id": it is missing']);
  });

  it('of one source replace each other; an idempotency key counts once; two sources share one weight', async () => {
    const gateway = kept(await startTestGateway());
    const id = decisionOf(await answer(gateway, 'one', { model: 'big' }));
    await rate(gateway, { id, score: 0.2 });
    await rate(gateway, { id, score: 0.9 });
    const keyed = await rate(gateway, { id, score: 0.5, source: 'judge', idempotency_key: 'k1' });
    const again = await rate(gateway, { id, score: 0.1, source: 'judge', idempotency_key: 'k1' });
    expect(again.status).toBe(202);
    expect(again.json).toEqual(keyed.json);
    await settled(gateway);
    expect(ratings(gateway, 'big')).toBeCloseTo(1, 12);
    const { json } = await get(`${gateway.url}/v1/decisions/${id}`);
    expect(json.ratings.map(({ score, source, active }: Record<string, unknown>) => [score, source, active])).toEqual([
      [0.2, 'user', false],
      [0.9, 'user', true],
      [0.5, 'judge', true],
    ]);
  });

  it('are accepted from ten sources per decision; a further source is refused', async () => {
    const gateway = kept(await startTestGateway());
    const id = decisionOf(await answer(gateway, 'one', { model: 'big' }));
    for (let i = 0; i < 10; i++) expect((await rate(gateway, { id, score: 0, source: `s${i}` })).status).toBe(202);
    const refused = await rate(gateway, { id, score: 0, source: 'one-more' });
    expect([refused.status, refused.json.error.code]).toEqual([400, 'too_many_sources']);
    expect((await rate(gateway, { id, score: 1, source: 's3' })).status).toBe(202);
    await settled(gateway);
    expect(ratings(gateway, 'big')).toBeCloseTo(1, 9);
  });

  it('of one decision are refused beyond 999, but a repeated idempotency key is still recognised', async () => {
    const gateway = kept(await startTestGateway());
    const id = decisionOf(await answer(gateway, 'one', { model: 'big' }));
    const keyed = await rate(gateway, { id, score: 1, idempotency_key: 'k' });
    const { eventLog } = gateway.gateway;
    const [rated] = (await eventLog.findDecision(id)).filter((event) => event.type === 'rated');
    const { sequence: _, ...event } = rated;
    for (let i = 0; i < 997; i++) eventLog.record({ ...event, feedbackId: `fb_${i}`, idempotencyKey: null });
    await eventLog.flush();
    const refused = await rate(gateway, { id, score: 0 });
    expect([refused.status, refused.json.error.code]).toEqual([400, 'too_many_ratings']);
    expect((await rate(gateway, { id, score: 0, idempotency_key: 'k' })).json).toEqual(keyed.json);
  });

  it('leave no trace in the learner when withdrawn, even across a restart', async () => {
    const texts = ['one', 'two', 'three'];
    const run = async (path: string, withdrawn: boolean) => {
      const options = { config: { storage: { url: `sqlite:${join(folder, path)}` } } };
      let gateway = await startTestGateway(options);
      for (const [i, text] of texts.entries()) {
        const id = decisionOf(await answer(gateway, text, { model: i === 1 ? 'small' : 'big' }));
        await rate(gateway, { id, score: 0.4 });
        if (!withdrawn || i === 2) continue;
        const { json } = await rate(gateway, { id, score: 1, source: 'mistaken' });
        if (i === 1) {
          await gateway.close();
          gateway = await startTestGateway(options);
        }
        const removed = await send(`${gateway.url}/feedback/${json.feedback_id}`, null, { method: 'DELETE' });
        expect([removed.status, removed.json]).toEqual([200, { feedback_id: json.feedback_id, withdrawn: true }]);
        expect((await send(`${gateway.url}/feedback/${json.feedback_id}`, null, { method: 'DELETE' })).status).toBe(
          200,
        );
      }
      const result = await predictions(gateway);
      await gateway.close();
      return result;
    };
    const without = await run('without.db', false);
    const withAndBack = await run('with.db', true);
    without.forEach((expected: Record<string, number>, i: number) => {
      for (const field of ['quality', 'quality_sd', 'ratings'])
        expect(withAndBack[i][field]).toBeCloseTo(expected[field], 9);
    });
  });

  it('are withdrawn only once by simultaneous requests', async () => {
    const gateway = kept(await startTestGateway());
    const id = decisionOf(await answer(gateway));
    const { json } = await rate(gateway, { id, score: 1, comment: 'about me' });
    const remove = () => send(`${gateway.url}/feedback/${json.feedback_id}`, null, { method: 'DELETE' });
    const statuses = (await Promise.all([remove(), remove(), remove()])).map(({ status }) => status);
    expect(statuses).toEqual([200, 200, 200]);
    expect((await get(`${gateway.url}/metrics`)).text).toContain('mixllm_ratings_withdrawn_total 1\n');
    const { ratings } = (await get(`${gateway.url}/v1/decisions/${id}`)).json;
    expect(ratings).toMatchObject([{ score: 1, comment: null, active: false }]);
  });

  it('are refused with the reason if invalid, and with 404 for unknown ids', async () => {
    const gateway = kept(await startTestGateway());
    const id = decisionOf(await answer(gateway));
    for (const [body, param] of [
      [{ id }, 'score'],
      [{ id, score: 0.5, rating: 'up' }, 'score'],
      [{ id, score: 1.5 }, 'score'],
      [{ id, rating: 'sideways' }, 'rating'],
      [{ score: 1 }, 'id'],
      [{ id, score: 1, source: 'a b' }, 'source'],
      [{ id, score: null, rating: null }, 'score'],
      [{ id, score: 1, scroe: 2 }, 'scroe'],
    ] as const) {
      const { status, json } = await rate(gateway, body);
      expect([status, json.error.type, json.error.param]).toEqual([400, 'invalid_request_error', param]);
    }
    expect((await rate(gateway, '[]' as never)).status).toBe(400);
    // Typed clients send null for omitted fields.
    const nothing = { source: null, comment: null, idempotency_key: null };
    expect((await rate(gateway, { id, score: 0.5, rating: null, ...nothing })).status).toBe(202);
    expect((await rate(gateway, { id, score: null, rating: 'up', ...nothing })).status).toBe(202);
    expect((await get(`${gateway.url}/v1/decisions/${id}`)).json.ratings).toMatchObject([
      { score: 0.5, source: 'user', active: false },
      { score: 1, source: 'user', active: true },
    ]);
    const unknown = await rate(gateway, { id: 'dec_nope', score: 1 });
    expect([unknown.status, unknown.json.error.code]).toEqual([404, 'not_found']);
    expect((await send(`${gateway.url}/feedback/fb_nope`, null, { method: 'DELETE' })).status).toBe(404);
    // Some clients send a content type without a body.
    const named = { method: 'DELETE', headers: { 'content-type': 'application/json' } };
    expect((await send(`${gateway.url}/feedback/fb_nope`, null, named)).status).toBe(404);
    expect((await get(`${gateway.url}/v1/decisions/dec_nope`)).status).toBe(404);
  });

  it('given before the answer has ended count once it has', async () => {
    let finish: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const gateway = kept(
      await startTestGateway({
        answers: {
          big: async ({ model }) => {
            await gate;
            return { text: 'late', model, inputTokens: 1, outputTokens: 1, delayMs: 0 };
          },
        },
      }),
    );
    const running = answer(gateway);
    let decided: { decisionId: string } | undefined;
    while (!decided) {
      await settled(gateway);
      const database = await gateway.gateway.learner.knowledge;
      if (database.sequence > 0) decided = { decisionId: await firstDecision(gateway) };
    }
    expect((await rate(gateway, { id: decided.decisionId, score: 1 })).status).toBe(202);
    await settled(gateway);
    expect(ratings(gateway, 'big')).toBe(0);
    finish();
    await running;
    await settled(gateway);
    expect(ratings(gateway, 'big')).toBe(1);
  });

  it('by completion id are accepted as soon as a stream has sent the id', async () => {
    let finish: () => void = () => {};
    const upstream = kept(
      await startRawUpstream((response) => {
        response.write(sse(chunk({ content: 'one' })));
        finish = () => response.end(sse(chunk({}, 'stop'), '[DONE]'));
      }),
    );
    const gateway = kept(await startTestGateway({ urls: { big: upstream.url } }));
    const { body } = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(ask('Hello', { model: 'big', stream: true })),
    });
    const reader = (body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    expect((await rate(gateway, { id: COMPLETION.id, score: 1 })).status).toBe(202);
    expect((await rate(gateway, { id: `${COMPLETION.id}x`, score: 1 })).status).toBe(404);
    finish();
    while (!(await reader.read()).done);
    await settled(gateway);
    expect(ratings(gateway, 'big')).toBe(1);
  });

  it('refer to the newest running answer of the same key when several answers share an id', async () => {
    const open: (() => void)[] = [];
    const upstream = kept(
      await startRawUpstream((response) => {
        response.write(sse(chunk({ content: 'one' })));
        open.push(() => response.end(sse(chunk({}, 'stop'), '[DONE]')));
      }),
    );
    const keys = ['a', 'b'].map((name) => ({ name, key: `key-of-${name}-000000` }));
    const gateway = kept(await startTestGateway({ urls: { big: upstream.url }, config: { auth: { keys } } }));
    const headers = (key: string) => ({ authorization: `Bearer ${key}`, 'content-type': 'application/json' });
    const begin = async (key: string) => {
      const body = JSON.stringify(ask('Hello', { model: 'big', stream: true }));
      const answer = await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers: headers(key), body });
      const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
      await reader.read();
      return { reader, id: String(answer.headers.get('x-mixllm-decision-id')) };
    };
    const begun = [];
    for (const { key } of [keys[0], keys[1], keys[0], keys[1]]) begun.push(await begin(key));
    for (const { key } of keys) {
      const rated = await send(`${gateway.url}/feedback`, { id: COMPLETION.id, score: 1 }, { headers: headers(key) });
      expect(rated.status).toBe(202);
    }
    for (const finish of open) finish();
    for (const { reader } of begun) while (!(await reader.read()).done);
    await settled(gateway);
    const stored = await gateway.gateway.store.readAfter(0, 100);
    const rated = stored.filter(({ type }) => type === 'rated').map(({ decisionId }) => decisionId);
    expect(rated).toEqual([begun[2].id, begun[3].id]);
  });
});

async function firstDecision({ gateway }: TestGateway): Promise<string> {
  const [event] = await gateway.store.readAfter(0, 1);
  return String(event.decisionId);
}

describe('a shutdown', () => {
  it('that runs out of time answers open requests with 503 and logs how they ended', async () => {
    const file = join(folder, 'shutdown.db');
    const server = { port: 0, shutdown_s: 0.05 };
    const options = { config: { storage: { url: `sqlite:${file}` }, server } };
    const gateway = await startTestGateway({ ...options, answers: { big: () => new Promise<never>(() => {}) } });
    const running = [false, true].map((stream) => answer(gateway, 'x', { stream }));
    while (gateway.upstreams.big.requests < 2) await settled(gateway);
    await gateway.close();
    for (const { status, json } of await Promise.all(running)) {
      expect(status).toBe(503);
      expect(json).toMatchObject({ error: { message: 'The gateway is shutting down.' } });
    }
    // Nothing is retried.
    expect(gateway.upstreams.big.requests).toBe(2);
    const again = kept(await startTestGateway(options));
    const events = await again.gateway.store.readAfter(0, 10);
    expect(events.map(({ type }) => type).sort()).toEqual(['completed', 'completed', 'decided', 'decided']);
    for (const event of events)
      if (event.type === 'completed') expect(event).toMatchObject({ outcome: 'failed', status: 503 });
  });

  it('ends a running stream with an error event, as a bare close may look like a normal end', async () => {
    const upstream = kept(
      await startRawUpstream((response) => void response.write(sse(chunk({ role: 'assistant', content: 'Half' })))),
    );
    const config = { server: { port: 0, shutdown_s: 0.05 } };
    const gateway = await startTestGateway({ urls: { big: upstream.url }, config });
    // With this header undici, and thus fetch, takes an answer as complete wherever the connection ends.
    const { port } = new URL(gateway.url);
    const headers = { 'content-type': 'application/json', connection: 'close' };
    const text = new Promise<string>((resolve, reject) => {
      const sent = request(
        { port, path: '/v1/chat/completions', method: 'POST', headers, agent: false },
        (answered) => {
          void gateway.close();
          answered.toArray().then((bytes) => resolve(Buffer.concat(bytes).toString()), reject);
        },
      );
      sent.end(JSON.stringify(ask('Hello', { stream: true })));
    });
    const [half, last] = (await text).trim().split('\n\n');
    expect(half).toContain('Half');
    expect(JSON.parse(last.slice('data: '.length)).error.message).toContain('shutting down');
    expect(gateway.logged.join()).toContain('"outcome":"interrupted"');
  });
});

describe('a restart', () => {
  it('ends in bit-identical predictions, both with the snapshot and after deleting it', async () => {
    const file = join(folder, 'restart.db');
    const options = { config: { storage: { url: `sqlite:${file}` } } };
    let gateway = await startTestGateway(options);
    const ids: string[] = [];
    for (let i = 0; i < 30; i++) {
      const reply = await answer(gateway, `Question ${i}: what is ${i} times ${i * i}?`, {
        model: 'auto:0.9',
        stream: i % 3 === 0,
      });
      ids.push(decisionOf(reply));
      if (i % 2 === 0) await rate(gateway, { id: ids[Math.floor(i / 2)], score: (i % 7) / 7 });
    }
    const before = await predictions(gateway);
    await gateway.close();

    gateway = await startTestGateway(options);
    expect(await predictions(gateway)).toEqual(before);
    // One more rating after the restart, so that the events after the snapshot count too.
    await rate(gateway, { id: ids[29], score: 0.75 });
    const after = await predictions(gateway);
    expect(after).not.toEqual(before);
    await gateway.close();

    const database = new DatabaseSync(file);
    expect(database.prepare('DELETE FROM snapshots').run().changes).toBe(1);
    database.close();
    gateway = await startTestGateway(options);
    expect(await predictions(gateway)).toEqual(after);
    await gateway.close();
  });

  it('with a damaged snapshot rebuilds the learner from the log, reports it, and serves', async () => {
    const file = join(folder, 'damaged.db');
    const options = { config: { storage: { url: `sqlite:${file}` } } };
    let gateway = await startTestGateway(options);
    await rate(gateway, { id: decisionOf(await answer(gateway)), score: 1 });
    const before = await predictions(gateway);
    await gateway.close();
    const database = new DatabaseSync(file);
    // Corrupts its last byte, which is part of a learned number.
    database.exec("UPDATE snapshots SET body = CAST(substr(body, 1, length(body) - 1) || x'7f' AS BLOB)");
    database.close();
    gateway = kept(await startTestGateway(options));
    expect(await predictions(gateway)).toEqual(before);
    expect(gateway.logged.join('')).toContain('snapshot is damaged');
    expect((await get(`${gateway.url}/metrics`)).text).toContain('mixllm_learner_snapshots_rejected_total 1');
  });
});

describe('a learner with a non-finite number', () => {
  it('never fails a request: the reference model answers, metric and log report it, and it recovers', async () => {
    const gateway = kept(await startTestGateway());
    await rate(gateway, { id: decisionOf(await answer(gateway, 'x', { model: 'small' })), score: 1 });
    const healthy = await predictions(gateway);
    for (const model of gateway.gateway.learner.knowledge.policy.state().quality.candidates)
      model.shared.fill(Number.NaN);
    const reply = await answer(gateway, 'Hello', { model: 'auto:0' });
    expect([reply.status, reply.headers.get('x-mixllm-model')]).toEqual([200, 'big']);
    expect((await get(`${gateway.url}/metrics`)).text).toContain('mixllm_degraded_decisions_total{part="learner"} 1');
    expect(gateway.logged.join('')).toContain('the reference model answers');
    const { json } = await get(`${gateway.url}/v1/decisions/${decisionOf(reply)}`);
    expect(json.chosen_by).toBe('reference');
    expect(json.degraded).toContain('learner');
    while (!gateway.logged.join('').includes('rebuilt from the event log.')) await settled(gateway);
    expect((await predictions(gateway))[1].quality).toBeCloseTo(healthy[1].quality, 9);
  });
});
