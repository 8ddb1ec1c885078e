import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { TIER_SLOPE_SHARE } from '../../src/bandit/defaults.ts';
import { tierPriors } from '../../src/bandit/tier-priors.ts';
import { Featurizer } from '../../src/features/featurizer.ts';
import { LexicalEmbedder } from '../../src/features/lexical-embedder.ts';
import { descriptionFile, encodeMap, hashOf, loadLexicalMap } from '../../src/features/lexical-map.ts';
import { STRUCTURE_DIMENSIONS } from '../../src/features/structure.ts';
import { cleanup } from '../support/cleanup.ts';
import { ask, plainAnswer, send, settled, startTestGateway } from '../support/gateway.ts';

type ArmJson = { model: string; quality: number; quality_sd: number };

const kept = cleanup();
const folder = mkdtempSync(join(tmpdir(), 'mixllm-tiers-'));
const otherMap = join(folder, 'other.bin');
afterAll(() => rmSync(folder, { recursive: true }));
const TEXT = 'Prove that the square root of 2 is irrational, step by step.';

function writeOtherMap(): void {
  const map = loadLexicalMap();
  const bytes = encodeMap({ ...map, steps: map.steps.map((step) => -step) });
  writeFileSync(otherMap, bytes);
  const tags = map.tagNames.map((name) => ({ name }));
  writeFileSync(descriptionFile(pathToFileURL(otherMap)), JSON.stringify({ sha256: hashOf(bytes), tags }));
}

/** Predicted quality of a small model without ratings, and the same computed as level + slopes · x. */
async function predicted(map: string | null, slopesKept: (slopes: number[]) => number[]) {
  const gateway = kept(
    await startTestGateway({ models: { small: { prior: 'small' } }, ...(map && { config: { embedding: { map } } }) }),
  );
  const { json } = await send(`${gateway.url}/v1/route`, ask(TEXT));
  const embedder = new LexicalEmbedder(map ? loadLexicalMap(pathToFileURL(map)) : undefined);
  const features = await new Featurizer(embedder).featurize({
    model: 'auto',
    messages: [{ role: 'user', content: TEXT }],
  });
  const x = [...features.context.values].slice(1);
  const { quality, slopes } = tierPriors().tiers.small;
  const expected = slopesKept(slopes).reduce((sum, slope, i) => sum + TIER_SLOPE_SHARE * slope * x[i], quality);
  const told = json.models.find(({ model }: { model: string }) => model === 'small').quality;
  return { told, expected, level: quality };
}

describe('a prior "like" another model', () => {
  it('gives the same expected quality with a wider uncertainty', async () => {
    const models = { small: { prior: 'small' }, big: { prior: { like: 'small' } } };
    const gateway = kept(await startTestGateway({ models }));
    const { json } = await send(`${gateway.url}/v1/route`, ask(TEXT));
    const [small, big] = ['small', 'big'].map((id) => json.models.find(({ model }: { model: string }) => model === id));
    expect(big.quality).toBe(small.quality);
    expect(big.quality_sd).toBeGreaterThan(small.quality_sd);
  });

  it('outlives that model; retiring a model rated as expected changes no other prediction', async () => {
    const models = { small: { prior: { quality: 0.3 } }, big: { prior: { like: 'small' } }, mid: { prior: 'mid' } };
    const answers = { small: plainAnswer(), big: plainAnswer(), mid: plainAnswer() };
    const test = kept(await startTestGateway({ models, answers }));
    const predictions = async () => {
      const { json } = await send(`${test.url}/v1/route`, ask(TEXT));
      return json.models.map(({ model, quality, quality_sd }: ArmJson) => [model, quality, quality_sd]);
    };
    for (let i = 0; i < 10; i++) {
      const { json } = await send(`${test.url}/v1/chat/completions`, ask(`${TEXT} ${i}`, { model: 'small' }));
      await send(`${test.url}/feedback`, { id: json.id, score: i < 3 ? 1 : 0 });
    }
    await settled(test);
    const [, ...others] = await predictions();
    expect((await send(`${test.url}/admin/models/small`, null, { method: 'DELETE' })).status).toBe(200);
    expect(await predictions()).toEqual(others);
  });
});

describe('a tier', () => {
  it('gives a model its level and a share of the slopes learned from public data', async () => {
    const under = tierPriors().feature_map === new Featurizer(new LexicalEmbedder()).featureMap;
    const embedding = tierPriors().dimensions - 1 - STRUCTURE_DIMENSIONS;
    const { told, expected } = await predicted(null, (slopes) =>
      slopes.map((slope, i) => (under || i >= embedding ? slope : 0)),
    );
    expect(told).toBeCloseTo(expected, 6);
  });

  it('keeps only the structural slopes under another feature map', async () => {
    writeOtherMap();
    const embedding = tierPriors().dimensions - 1 - STRUCTURE_DIMENSIONS;
    const { told, expected } = await predicted(otherMap, (slopes) =>
      slopes.map((slope, i) => (i < embedding ? 0 : slope)),
    );
    expect(told).toBeCloseTo(expected, 6);
  });
});
