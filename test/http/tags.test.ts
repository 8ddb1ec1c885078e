import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { LexicalEmbedder } from '../../src/features/lexical-embedder.ts';
import { cleanup } from '../support/cleanup.ts';
import { ask, get, send, settled, startTestGateway } from '../support/gateway.ts';

const kept = cleanup();
const folder = mkdtempSync(join(tmpdir(), 'mixllm-tags-'));
afterAll(() => rmSync(folder, { recursive: true }));

const MATHS = 'Tom has 12 apples and gives 5 to each of his 2 friends. How many apples does he have left?';
const PYTHON = 'Write a python function to find the second largest number in a list.';

describe('the tag of a query', () => {
  it('is in /v1/route, in /v1/decisions and in the metrics', async () => {
    const gateway = kept(await startTestGateway());
    const maths = await send(`${gateway.url}/v1/route`, ask(MATHS));
    const python = await send(`${gateway.url}/v1/route`, ask(PYTHON));
    expect(maths.json.query.tag).toMatch(/maths/);
    expect(python.json.query.tag).toMatch(/Python/);
    const counters = async () =>
      (await get(`${gateway.url}/metrics`)).text.split('\n').filter((line) => line.startsWith('mixllm_tag_decisions'));
    // A route request records no decision.
    expect(await counters()).toEqual([]);

    const messages = [
      { role: 'user', content: PYTHON },
      { role: 'assistant', content: 'def f(numbers): return sorted(numbers)[-2]' },
      { role: 'user', content: MATHS },
    ];
    const reply = await send(`${gateway.url}/v1/chat/completions`, { model: 'small', messages });
    await send(`${gateway.url}/v1/chat/completions`, ask(PYTHON, { model: 'big' }));
    await settled(gateway);
    const { json } = await get(`${gateway.url}/v1/decisions/${reply.headers.get('x-mixllm-decision-id')}`);
    expect(json.query.tag).toBe(maths.json.query.tag);
    expect((await counters()).sort()).toEqual(
      [
        `mixllm_tag_decisions_total{tag="${maths.json.query.tag}",model="small"} 1`,
        `mixllm_tag_decisions_total{tag="${python.json.query.tag}",model="big"} 1`,
      ].sort(),
    );
  });

  it('is null while the embedder fails, but the query is still answered', async () => {
    const gateway = kept(await startTestGateway());
    const embed = vi.spyOn(LexicalEmbedder.prototype, 'embed').mockRejectedValue(new Error('no vector today'));
    const reply = await send(`${gateway.url}/v1/chat/completions`, ask(MATHS, { model: 'small' })).finally(() =>
      embed.mockRestore(),
    );
    expect(reply.status).toBe(200);
    await settled(gateway);
    const { json } = await get(`${gateway.url}/v1/decisions/${reply.headers.get('x-mixllm-decision-id')}`);
    expect([json.query.tag, json.degraded]).toEqual([null, 'embedder: no vector today']);
    const { text } = await get(`${gateway.url}/metrics`);
    expect(text).toContain('mixllm_tag_decisions_total{tag="unknown",model="small"} 1');
    expect((await send(`${gateway.url}/v1/route`, ask(MATHS))).json.query.tag).toMatch(/maths/);
  });

  it('is null for decisions from before there were tags', async () => {
    const file = join(folder, 'old.db');
    const options = { config: { storage: { url: `sqlite:${file}` } } };
    const before = await startTestGateway(options);
    const reply = await send(`${before.url}/v1/chat/completions`, ask(MATHS));
    const id = reply.headers.get('x-mixllm-decision-id');
    await before.close();
    const database = new DatabaseSync(file);
    database.exec("UPDATE events SET body = json_remove(body, '$.decision.tag') WHERE type = 'decided'");
    expect(database.prepare('SELECT count(*) AS n FROM events WHERE body LIKE \'%"tag"%\'').get()).toEqual({ n: 0 });
    database.close();
    const gateway = kept(await startTestGateway(options));
    const { status, json } = await get(`${gateway.url}/v1/decisions/${id}`);
    expect(status).toBe(200);
    expect(json.query.tag).toBeNull();
    expect((await send(`${gateway.url}/feedback`, { id, score: 0.9 })).status).toBe(202);
  });
});
