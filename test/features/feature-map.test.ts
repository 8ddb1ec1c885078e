import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  coefficientsUnder,
  contextUnder,
  featureMapId,
  keptFeatures,
  parseFeatureMapId,
} from '../../src/features/feature-map.ts';
import { STRUCTURE_DIMENSIONS, STRUCTURE_VERSION, structureFeatures } from '../../src/features/structure.ts';

const structure = Array.from({ length: STRUCTURE_DIMENSIONS }, (_, i) => (i - 5) / 4);
const context = (featureMap: string, embedding: number[], tail = structure) => ({
  featureMap,
  values: Float32Array.of(1, ...embedding, ...tail),
});
const [A, B] = [`a/${STRUCTURE_VERSION}`, `hub/model:b/${STRUCTURE_VERSION}`];

describe('the id of a feature map', () => {
  it('is parsed as it was formatted, whatever the embedder is called', () => {
    const id = fc.record({
      embedder: fc.string({ minLength: 1 }),
      structure: fc.nat().map((version) => `structure-${version}`),
    });
    fc.assert(
      fc.property(id, (map) => {
        expect(parseFeatureMapId(featureMapId(map))).toEqual(map);
      }),
    );
  });

  it.each(['', 'map-1', 'lexical-0', '/structure-1', 'structure-1', 'a/structure-', 'a/structure-1/b'])(
    'is not parsed from %j',
    (id) => {
      expect(parseFeatureMapId(id)).toBeNull();
    },
  );
});

describe('contextUnder', () => {
  it('leaves a context of the same map unchanged', () => {
    const own = context(A, [0.5, -2]);
    expect(keptFeatures(own, A, own.values.length)).toBe('all');
    expect(contextUnder(own, A, own.values.length)).toEqual(Float64Array.from(own.values));
  });

  it.each([
    ['more', [9, 9, 9, 9, 9]],
    ['fewer', [9]],
    ['as many', [9, 9]],
  ])("keeps the structural features of another embedder's context, from %s dimensions", (_, embedding) => {
    const dimensions = 1 + 2 + STRUCTURE_DIMENSIONS;
    const foreign = context(B, embedding);
    expect(keptFeatures(foreign, A, dimensions)).toBe('structure');
    expect(contextUnder(foreign, A, dimensions)).toEqual(Float64Array.of(1, 0, 0, ...structure));
  });

  it.each([
    ['another version of the structure', context('a/structure-0', [1, 2])],
    ['a map of before there were versions', context('lexical-a', [1, 2])],
    ['the same map, with another number of features', context(A, [1, 2, 3])],
    ['too few features', context(B, [], structure.slice(1))],
    ['none', { featureMap: B, values: new Float32Array(0) }],
  ])('keeps only the constant of %s', (_, foreign) => {
    const dimensions = 1 + 2 + STRUCTURE_DIMENSIONS;
    expect(keptFeatures(foreign, A, dimensions)).toBe('intercept');
    const constant = new Float64Array(dimensions);
    constant[0] = 1;
    expect(contextUnder(foreign, A, dimensions)).toEqual(constant);
  });

  it('keeps only the constant under a map without a known structure', () => {
    expect(contextUnder(context(A, [1, 2]), 'map-1', 4)).toEqual(Float64Array.of(1, 0, 0, 0));
    expect(keptFeatures(context(A, [1]), 'a/structure-1', 2 + STRUCTURE_DIMENSIONS)).toBe('intercept');
  });
});

describe('structure-2', () => {
  it('has these features in this order: any change requires a new version', () => {
    expect(STRUCTURE_VERSION).toBe('structure-2');
    const profile = {
      needs: ['tools', 'json'] as ('tools' | 'json')[],
      images: 0,
      inputCharacters: 900,

      inputBytes: 900,
    };
    const features = structureFeatures('Why is f(2) = 17?\nSay it in 3 words.', {
      profile: { ...profile, maxOutputTokens: null },
      turns: 4,
      hasSystemPrompt: true,
    });
    expect(features.map((feature) => Number(feature.toFixed(4)))).toEqual([
      -1.6538, -0.9985, -0.6588, 2.1893, 3.1178, -0.0872, -0.3159, 0.9122, -0.9858, 0.0863, 4, -0.2285, -0.6677, 2.4198,
      -0.2221, -0.4362, 1, 0, 1, 1, 1.0986, 0.9463,
    ]);
  });
});

describe('coefficientsUnder', () => {
  const own = [0.5, 1, 2, ...structure];

  it.each([
    ['all under their own map', A, own],
    ['those of the structure under another embedder', B, [0.5, 0, 0, ...structure]],
    ['the constant alone under another structure', 'a/structure-0', [0.5, 0, 0, ...structure.map(() => 0)]],
  ])('keeps %s', (_, featureMap, kept) => {
    expect(coefficientsUnder(own, A, featureMap, own.length)).toEqual(Float64Array.from(kept));
  });

  it('does not round them', () => {
    expect(coefficientsUnder([0.1, 0.2, 0.3], A, A, 3)).toEqual(Float64Array.of(0.1, 0.2, 0.3));
  });
});
