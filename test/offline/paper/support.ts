import { STRUCTURE_DIMENSIONS } from '../../../src/features/structure.ts';
import type { OnlineData } from '../../../src/offline/online-data.ts';
import { seededRandom } from '../../../src/util/random.ts';

const EMBEDDING = 2;
export const DIMENSIONS = 1 + EMBEDDING + STRUCTURE_DIMENSIONS;

/**
 * A dear all-rounder and three cheap models on two tasks. The first direction of the embedding tells the tasks apart, as
 * the coder and the writer do; the structure of a query tells nothing.
 * @param allRounder its mean quality, 0..1
 */
export function inventedData(count = 600, allRounder = 0.9): OnlineData {
  const random = seededRandom(7);
  const kinds = Array.from({ length: count }, () => (random.uniform() < 0.5 ? 1 : -1));
  const succeeds = (rate: number) => Number(random.uniform() < rate);
  return {
    file: 'invented.jsonl.gz',
    models: ['all-rounder', 'coder', 'dunce', 'writer'],
    queries: kinds.map((kind, i) => ({
      id: String(i),
      task: kind > 0 ? 'code' : 'prose',
      text: String(i),
      quality: [succeeds(allRounder), succeeds(kind > 0 ? 0.95 : 0.3), succeeds(0.4), succeeds(kind > 0 ? 0.3 : 0.95)],
      cost: [0.01 * (0.5 + random.uniform()), 0.001, 0.0009, 0.0012],
    })),
    contexts: kinds.map((kind) =>
      Float64Array.from({ length: DIMENSIONS }, (_, k) => (k === 0 ? 1 : k === 1 ? kind : 0)),
    ),
    dimensions: DIMENSIONS,
  };
}
