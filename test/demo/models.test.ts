import { describe, expect, it } from 'vitest';
import { KIND_IDS } from '../../src/demo/kinds/kind-ids.ts';
import { expectedQuality, trueQuality } from '../../src/demo/models.ts';
import { outcomeAnswer, outcomeMatrix, simulateOutcomes } from '../../src/demo/outcomes.ts';
import { generateQueries } from '../../src/demo/queries.ts';
import { SIMULATED_MODELS } from '../../src/demo/simulated-models.ts';
import { bestSingle, resultOf, singleModels, staticMix } from '../../src/recorded/baselines.ts';
import { QueryIndex } from '../../src/recorded/query-index.ts';
import { seededRandom } from '../../src/util/random.ts';

const queries = generateQueries(seededRandom(5), 1500);
const simulated = simulateOutcomes(SIMULATED_MODELS, queries, seededRandom(6));
const outcomes = outcomeMatrix(simulated);

describe('simulated models', () => {
  it('are named as simulated, and use both wire formats', () => {
    for (const model of SIMULATED_MODELS) expect(model.id).toMatch(/^sim-/);
    expect(new Set(SIMULATED_MODELS.map((model) => model.format))).toEqual(new Set(['openai', 'anthropic']));
    expect(SIMULATED_MODELS.length).toBeGreaterThanOrEqual(4);
  });

  it('draw qualities in [0, 1] whose mean is the expected one', () => {
    const random = seededRandom(1);
    for (const model of SIMULATED_MODELS) {
      for (const difficulty of [0, 0.5, 1]) {
        const query = { kind: 'logic' as const, difficulty };
        const draws = Array.from({ length: 4000 }, () => trueQuality(model, query, random));
        expect(Math.min(...draws)).toBeGreaterThanOrEqual(0);
        expect(Math.max(...draws)).toBeLessThanOrEqual(1);
        const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length;
        expect(Math.abs(mean - expectedQuality(model, query))).toBeLessThan(0.01);
      }
    }
  });

  it('are equal for equal seeds', () => {
    expect(simulateOutcomes(SIMULATED_MODELS, queries, seededRandom(6))).toEqual(simulated);
  });

  it('leave something to learn: choosing by kind matches the best single model at a fraction of its cost', () => {
    const best = bestSingle(outcomes);
    const utility = (query: number, model: number) =>
      outcomes.quality[query][model] - (0.35 * outcomes.cost[query][model]) / best.cost;
    const choice = new Map(
      KIND_IDS.map((kind) => {
        const indices = queries.flatMap((query, index) => (query.kind === kind ? [index] : []));
        const sums = SIMULATED_MODELS.map((_, model) => indices.reduce((sum, query) => sum + utility(query, model), 0));
        return [kind, sums.indexOf(Math.max(...sums))];
      }),
    );
    const mix = resultOf(outcomes, (query) => choice.get(queries[query].kind) ?? 0);
    expect(SIMULATED_MODELS[best.model].id).toBe('sim-frontier');
    expect(mix.quality / best.quality).toBeGreaterThan(0.97);
    expect(mix.cost / best.cost).toBeLessThan(0.4);
    expect(mix.quality - (staticMix(outcomes, mix.cost)?.quality ?? 1)).toBeGreaterThan(0.1);
    const others = singleModels(outcomes).filter((single) => single.model !== best.model);
    for (const single of others) expect(mix.quality - single.quality).toBeGreaterThan(0.1);
  });

  it('answer with the simulated number of tokens', () => {
    const answer = outcomeAnswer(SIMULATED_MODELS[1], queries[0], simulated[0][1]);
    expect(answer).toMatchObject({ model: 'sim-coder-1', outputTokens: simulated[0][1].outputTokens });
    expect(answer.text).toContain('Simulated');
  });
});

describe('QueryIndex', () => {
  it('finds a text whatever a wire format does to line ends and surrounding white space', () => {
    const book = new QueryIndex<number>();
    expect(book.add('a\r\nb \ud800', 1)).toBe(true);
    expect(book.find('\n a\nb \ufffd')).toBe(1);
    expect(book.add('a\nb \ufffd', 2)).toBe(false);
    expect(book.find('a\nb \ufffd')).toBe(2);
    expect(book.find('c')).toBeUndefined();
  });
});
