import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { descriptionFile, hashOf } from '../../../src/features/lexical-map.ts';
import { TEXT_DIMENSIONS, textFeatures } from '../../../src/features/structure.ts';
import {
  decodeProjection,
  encodeProjection,
  loadProjection,
  type ProjectionWeights,
  project,
} from '../../../src/features/transformers/projection.ts';

const ramp = (length: number, step: number) => Float32Array.from({ length }, (_, i) => (i - length / 2) * step);
const WEIGHTS: ProjectionWeights = {
  dimensions: 2,
  width: 3,
  vector: ramp(6, 0.5),
  text: ramp(2 * TEXT_DIMENSIONS, 0.25),
  bias: Float32Array.of(1, -1),
  centroids: ramp(8, 1),
  precisions: Float32Array.of(1, 2),
};

describe('project', () => {
  it('adds up the contributions of sentence vector, text features and bias', () => {
    const text = 'What is 2 + 2?';
    const vector = Float32Array.of(0.5, -0.25, 1);
    const s = textFeatures(text);
    const expected = [0, 1].map((i) => {
      const ofVector = vector.reduce((sum, value, k) => sum + WEIGHTS.vector[i * 3 + k] * value, 0);
      return ofVector + s.reduce((sum, value, k) => sum + WEIGHTS.text[i * s.length + k] * value, 0) + WEIGHTS.bias[i];
    });
    expect(project(WEIGHTS, vector, text)).toEqual(Float32Array.from(expected));
  });
});

describe('the file of a projection', () => {
  let folder: string;
  let file: URL;
  const describeIt = (changes: object = {}) =>
    writeFileSync(
      descriptionFile(file),
      JSON.stringify({
        sha256: hashOf(readFileSync(file)),
        model: { name: 'm', fingerprint: 'f', dtype: 'q8', maxTokens: 128 },
        tags: ['a', 'b', 'c', 'd'].map((name) => ({ name })),
        ...changes,
      }),
    );
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mixllm-projection-'));
    file = pathToFileURL(join(folder, 'map.bin'));
    writeFileSync(file, encodeProjection(WEIGHTS));
    describeIt();
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is read as it was written', () => {
    expect(decodeProjection(encodeProjection(WEIGHTS))).toEqual(WEIGHTS);
    expect(loadProjection(file)).toMatchObject({
      ...WEIGHTS,
      model: { fingerprint: 'f', dtype: 'q8', maxTokens: 128 },
      tagNames: ['a', 'b', 'c', 'd'],
    });
  });

  it('is rejected if missing, damaged, cut short, of another kind or without its description', () => {
    writeFileSync(file, encodeProjection({ ...WEIGHTS, bias: Float32Array.of(1, 1) }));
    expect(() => loadProjection(file)).toThrow(/map\.bin cannot be used: its SHA-256/);
    writeFileSync(file, encodeProjection(WEIGHTS).subarray(0, -1));
    expect(() => loadProjection(file)).toThrow(/bytes instead of/);
    writeFileSync(file, 'MXLXMAP1, the beginning of a lexical map');
    expect(() => loadProjection(file)).toThrow(/not a map for a sentence-embedding model/);
    writeFileSync(file, encodeProjection(WEIGHTS));
    describeIt({ tags: [{ name: 'a' }] });
    expect(() => loadProjection(file)).toThrow(/tags without names/);
    describeIt({ model: { name: 'm', fingerprint: 'f', dtype: 'q3', maxTokens: 128 } });
    expect(() => loadProjection(file)).toThrow(/dtype/);
    rmSync(descriptionFile(file));
    expect(() => loadProjection(file)).toThrow(/map\.json/);
    rmSync(file);
    expect(() => loadProjection(file)).toThrow(/ENOENT/);
  });
});
