import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { LinearPolicy } from '../../src/bandit/linear-policy.ts';
import { formatWarmStart } from '../../src/bandit/warm-start.ts';
import { parseConfig } from '../../src/config/load.ts';
import type { ReplayStart } from '../../src/offline/replay/replay-log.ts';
import { startReplayLearner } from '../../src/wiring/replay-learner.ts';
import { predictions } from '../bandit/support.ts';
import { modelEvent } from '../gateway/unit/support.ts';

const folder = mkdtempSync(join(tmpdir(), 'mixllm-replay-learner-'));
afterAll(() => rmSync(folder, { recursive: true }));

const X = Float64Array.of(1, 0.5);
const file = join(folder, 'arms.json');
const taught = new LinearPolicy(2);
for (let i = 0; i < 50; i++) taught.learn({ kind: 'quality', arm: 'a', context: X, reward: 0, weight: 1 });
writeFileSync(
  file,
  formatWarmStart(
    { featureMap: 'map-1', dimensions: 2, command: 'x', decisions: ['dec-7'], sums: taught.sums() },
    new Date(0),
    [],
  ),
);

const config = (extra = '') =>
  parseConfig(
    `
providers: { p: { type: openai } }
models:
  - { id: a, provider: p, price: { input: 1, output: 2 }, prior: { quality: 0.9 } }
  - { id: b, provider: p, price: { input: 1, output: 2 }, prior: { like: a } }
${extra}`,
    'test.yaml',
    {},
  );
const start = (fields: Partial<ReplayStart> = {}): ReplayStart => ({
  featureMap: 'map-1',
  dimensions: 2,
  modelChanges: new Map(),
  decisions: new Set(),
  target: {},
  ...fields,
});
const qualities = (loaded: ReturnType<typeof config>, fields: Partial<ReplayStart> = {}) =>
  predictions(startReplayLearner(loaded, start(fields)).policy, ['a', 'b'], X).map(({ quality }) => quality);

describe('the learner of a replay', () => {
  it("has the config's priors even without API keys, overridden by those of the policy", () => {
    expect(qualities(config())).toEqual([0.9, 0.9]);
    expect(qualities(config(), { target: { priors: { a: { quality: 0.7 } } } })).toEqual([0.7, 0.7]);
    expect(qualities(config(), { target: { priors: { b: { quality: 0.7 } } } })).toEqual([0.9, 0.7]);
  });

  it("applies the admins' priors of each point in the log", () => {
    const learner = startReplayLearner(config(), start());
    const both = () => predictions(learner.policy, ['a', 'b'], X).map(({ quality }) => quality);
    expect(both()).toEqual([0.9, 0.9]);
    learner.fold({ ...modelEvent('a', 'model_set', { prior: { quality: 0.6 } }, false), sequence: 1 }, []);
    expect(both()).toEqual([0.6, 0.6]);
    learner.fold({ ...modelEvent('a', 'model_retired'), sequence: 2 }, []);
    expect(both()).toEqual([0.6, 0.6]);
  });

  it("launches a model with the policy's prior if there is one, else with that of the log", () => {
    const launched = { type: 'launched', decisionId: null, time: 0, model: 'b', like: null, sequence: 1 } as const;
    const qualityAfter = (target: ReplayStart['target']) => {
      const learner = startReplayLearner(config(), start({ target }));
      learner.fold({ ...launched, featureMap: 'map-1', priorMean: [0.8, 0] }, []);
      return predictions(learner.policy, ['b'], X)[0].quality;
    };
    expect(qualityAfter({})).toBe(0.8);
    expect(qualityAfter({ priors: { a: 'small' } })).toBe(0.8);
    expect(qualityAfter({ priors: { b: { quality: 0.5 } } })).toBe(0.5);
  });

  it('begins with the warm start, unless that was made from the log itself', () => {
    const warm = config(`learning: { warm_start: ${file} }`);
    expect(qualities(warm)[0]).toBeLessThan(0.5);
    expect(qualities(warm, { decisions: new Set(['dec-7']) })).toEqual([0.9, 0.9]);
    expect(() => qualities(warm, { featureMap: 'map-2' })).toThrow(/made with feature map map-1/);
  });
});
