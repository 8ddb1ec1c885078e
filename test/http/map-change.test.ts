import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { descriptionFile, encodeMap, hashOf, loadLexicalMap } from '../../src/features/lexical-map.ts';
import { cleanup } from '../support/cleanup.ts';
import { ask, get, send, settled, startTestGateway, type TestGateway } from '../support/gateway.ts';

const kept = cleanup();
const folder = mkdtempSync(join(tmpdir(), 'mixllm-map-change-'));
const otherMap = join(folder, 'other.bin');
afterAll(() => rmSync(folder, { recursive: true }));

beforeAll(() => {
  const map = loadLexicalMap();
  const bytes = encodeMap({ ...map, steps: map.steps.map((step) => -step) });
  writeFileSync(otherMap, bytes);
  const tags = map.tagNames.map((name) => ({ name: `other ${name}` }));
  writeFileSync(descriptionFile(pathToFileURL(otherMap)), JSON.stringify({ sha256: hashOf(bytes), tags }));
});

const options = (file: string, map?: string) => ({
  config: { storage: { url: `sqlite:${join(folder, file)}` }, ...(map && { embedding: { map } }) },
});
const JSON_MODE = { response_format: { type: 'json_object' } };
const TEXT = 'List three rivers of France.';

/** Predicted quality of `big` when JSON is requested, and when it is not. */
async function qualities(gateway: TestGateway): Promise<{ json: number; plain: number; sd: number }> {
  await settled(gateway);
  const of = async (fields: object) => {
    const { json } = await send(`${gateway.url}/v1/route`, ask(TEXT, fields));
    return json.models.find(({ model }: { model: string }) => model === 'big');
  };
  const [json, plain] = [await of(JSON_MODE), await of({})];
  return { json: json.quality, plain: plain.quality, sd: plain.quality_sd };
}

async function answered(gateway: TestGateway, fields: object): Promise<string> {
  const reply = await send(`${gateway.url}/v1/chat/completions`, ask(TEXT, { model: 'big', ...fields }));
  return String(reply.headers.get('x-mixllm-decision-id'));
}

/** Writes a log in which `big` is good at JSON and bad at everything else. @returns the id of its last decision */
async function writeLog(file: string): Promise<{ id: string; before: Awaited<ReturnType<typeof qualities>> }> {
  const gateway = await startTestGateway(options(file));
  let id = '';
  for (let i = 0; i < 20; i++) {
    id = await answered(gateway, i % 2 === 0 ? JSON_MODE : {});
    await send(`${gateway.url}/feedback`, { id, score: i % 2 === 0 ? 1 : 0 });
  }
  const before = await qualities(gateway);
  await gateway.close();
  return { id, before };
}

const foreign = async ({ url }: TestGateway) =>
  (await get(`${url}/metrics`)).text.match(/^mixllm_learner_foreign_contexts\{.*$/gm);

describe('a restart with another feature map', () => {
  it('keeps intercepts and structural slopes, says so, and withdraws old ratings without a trace', async () => {
    const { id, before } = await writeLog('structure.db');
    // The prior of slopes is tight: ten ratings each move them only a little.
    expect(before.json - before.plain).toBeGreaterThan(0.01);
    let gateway = await startTestGateway(options('structure.db', otherMap));
    const after = await qualities(gateway);
    const ratio = (after.json - after.plain) / (before.json - before.plain);
    expect(Math.abs(Math.log(ratio))).toBeLessThan(Math.log(1.2));
    expect(Math.abs(after.plain - before.plain)).toBeLessThan(0.1);
    expect(await foreign(gateway)).toEqual([
      'mixllm_learner_foreign_contexts{kept="structure"} 20',
      'mixllm_learner_foreign_contexts{kept="intercept"} 0',
    ]);
    expect(gateway.logged.join('')).toMatch(/20 decisions of feature map lexical-\w+\/structure-2: .* structural/);

    // New contexts beside the old ones; then an old decision is rated, and the rating withdrawn after a restart.
    await send(`${gateway.url}/feedback`, { id: await answered(gateway, {}), score: 0.9 });
    const mixed = await qualities(gateway);
    expect((await send(`${gateway.url}/v1/route`, ask(TEXT))).json.query.tag).toMatch(/^other /);
    const { json } = await send(`${gateway.url}/feedback`, { id, score: 1, source: 'mistaken' });
    expect((await qualities(gateway)).plain).not.toBeCloseTo(mixed.plain, 4);
    await gateway.close();
    gateway = kept(await startTestGateway(options('structure.db', otherMap)));
    expect(gateway.logged.join('')).toContain('20 decisions of feature map');
    await send(`${gateway.url}/feedback/${json.feedback_id}`, null, { method: 'DELETE' });
    const back = await qualities(gateway);
    for (const figure of ['json', 'plain', 'sd'] as const) expect(back[figure]).toBeCloseTo(mixed[figure], 9);
  });

  it('keeps only the intercepts of contexts with other structural features', async () => {
    const { before } = await writeLog('intercept.db');
    const database = new DatabaseSync(join(folder, 'intercept.db'));
    database.exec(
      "UPDATE events SET body = json_set(body, '$.context.featureMap', 'lexical-0/structure-0') WHERE type = 'decided'",
    );
    database.close();
    const gateway = kept(await startTestGateway(options('intercept.db', otherMap)));
    const after = await qualities(gateway);
    expect(after.json).toBeCloseTo(after.plain, 12);
    expect(Math.abs(after.plain - (before.json + before.plain) / 2)).toBeLessThan(0.1);
    expect(await foreign(gateway)).toEqual([
      'mixllm_learner_foreign_contexts{kept="structure"} 0',
      'mixllm_learner_foreign_contexts{kept="intercept"} 20',
    ]);
    expect(gateway.logged.join('')).toContain(
      "20 decisions of feature map lexical-0/structure-0: only the arms' intercepts",
    );
  });
});
