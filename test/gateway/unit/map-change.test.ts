import { describe, expect, it } from 'vitest';
import type { GatewayEvent } from '../../../src/domain/events.ts';
import { STRUCTURE_DIMENSIONS } from '../../../src/features/structure.ts';
import { Learner } from '../../../src/gateway/learning/learner.ts';
import { LearnerState } from '../../../src/gateway/learning/learner-state.ts';
import { Metrics } from '../../../src/gateway/metrics.ts';
import { type Random, seededRandom } from '../../../src/util/random.ts';
import { FakeStore } from '../../support/fake-store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { bitsOf, completed, decided, interleaved, numbered, RecordingLogger, rated, withdrawn } from './support.ts';

/** Two maps with entirely different embedders, and one whose structural features differ; with their embedding sizes. */
const OLD = { id: 'lexical-old/structure-2', embedding: 3 };
const NEW = { id: 'hub/new/structure-2', embedding: 5 };
const STRANGE = { id: 'lexical-old/structure-0', embedding: 3 };
type TestMap = typeof OLD;

const dimensionsOf = ({ embedding }: TestMap) => 1 + embedding + STRUCTURE_DIMENSIONS;
const stateOf = (map: TestMap) => new LearnerState(map.id, dimensionsOf(map));

/** The first structural feature decides what an answer of `big` is worth; the embedding is noise. */
function life(id: string, map: TestMap, random: Random): GatewayEvent[] {
  const draw = (length: number) => Array.from({ length }, () => random.normal());
  const embedding = draw(map.embedding);
  const structure = draw(STRUCTURE_DIMENSIONS);
  const score = Math.min(1, Math.max(0, 0.4 + 0.3 * structure[0]));
  return [decided(id, {}, [1, ...embedding, ...structure], map.id), completed(id), rated(id, `fb-${id}`, score)];
}

function stream(map: TestMap, decisions: number, seed: number): GatewayEvent[] {
  const random = seededRandom(seed);
  return Array.from({ length: decisions }, (_, i) => life(`${map.id}-${i}`, map, random)).flat();
}

function foldAll(events: readonly GatewayEvent[], state: LearnerState): LearnerState {
  const stored = numbered(events);
  stored.forEach((event, i) => {
    state.fold(
      event,
      stored.slice(0, i).filter(({ decisionId }) => decisionId === event.decisionId),
    );
  });
  return state;
}

/** Predicted quality of `big` and its standard deviation, for a query that is ordinary except in its first feature. */
function predicted(
  state: LearnerState,
  map: TestMap,
  first = 0,
  embedding = 0,
): { quality: number; qualitySd: number } {
  const context = new Float64Array(dimensionsOf(map));
  context[0] = 1;
  context.fill(embedding, 1, 1 + map.embedding);
  context[1 + map.embedding] = first;
  const { assessments } = state.policy.decide({
    context,
    offers: [{ arm: 'big', penalty: 0, cost: () => 0.001 }],
    weight: 0.5,
    reference: 'big',
    referenceCost: () => 1,
    exploration: 'none',
    random: seededRandom(1),
  });
  return assessments[0];
}

/** The predicted effect of the first structural feature. */
const slope = (state: LearnerState, map: TestMap) =>
  predicted(state, map, 1).quality - predicted(state, map, -1).quality;

function expectClose(one: LearnerState, other: LearnerState, map: TestMap): void {
  for (const [first, embedding] of [
    [0, 0],
    [1, 0],
    [-1, 1],
    [2, -2],
  ]) {
    const [got, expected] = [one, other].map((state) => predicted(state, map, first, embedding));
    expect(Math.abs(got.quality - expected.quality)).toBeLessThan(1e-9);
    expect(Math.abs(got.qualitySd - expected.qualitySd)).toBeLessThan(1e-9);
  }
}

describe('a log of another feature map', () => {
  const old = stream(OLD, 200, 1);

  it('teaches intercepts and structural slopes, and nothing of the embedding', () => {
    const before = foldAll(old, stateOf(OLD));
    const after = foldAll(old, stateOf(NEW));
    expect(slope(before, OLD)).toBeGreaterThan(0.4);
    expect(slope(after, NEW)).toBeCloseTo(slope(before, OLD), 1);
    expect(predicted(after, NEW).quality).toBeCloseTo(predicted(before, OLD).quality, 1);
    expect(predicted(after, NEW, 0, 1).quality).toBeCloseTo(predicted(after, NEW).quality, 12);
    expect(after.foreign.state()).toEqual([[OLD.id, 'structure', 200]]);
  });

  it('equals a log of the new map whose queries were all ordinary to the embedder', () => {
    const translated = old.map((event): GatewayEvent => {
      if (event.type !== 'decided') return event;
      const tail = event.context.values.slice(-STRUCTURE_DIMENSIONS);
      const values = Float32Array.of(1, ...new Array<number>(NEW.embedding).fill(0), ...tail);
      return { ...event, context: { featureMap: NEW.id, values } };
    });
    const expected = foldAll(translated, stateOf(NEW));
    expectClose(foldAll(old, stateOf(NEW)), expected, NEW);
    expect(expected.foreign.state()).toEqual([]);
  });

  it('teaches only intercepts if its structural features mean something else', () => {
    const state = foldAll(stream(STRANGE, 200, 1), stateOf(NEW));
    expect(slope(state, NEW)).toBeCloseTo(0, 12);
    const expected = foldAll(old, stateOf(OLD));
    expect(predicted(state, NEW).quality).toBeCloseTo(predicted(expected, OLD).quality, 1);
    expect(Math.abs(predicted(state, NEW).quality - predicted(stateOf(NEW), NEW).quality)).toBeGreaterThan(0.2);
    expect(state.foreign.state()).toEqual([[STRANGE.id, 'intercept', 200]]);
  });

  it('leaves no trace of withdrawn ratings when mixed with a log of the current map', () => {
    const random = seededRandom(9);
    const lives = [OLD, NEW, STRANGE].flatMap((map) =>
      Array.from({ length: 60 }, (_, i) => life(`${map.id}-${i}`, map, random)),
    );
    const withdrawals = lives.map((own, i) => {
      const id = String(own[0].decisionId);
      return i % 2 === 0 ? own : [...own, rated(id, `wrong-${id}`, 1, 'judge'), withdrawn(id, `wrong-${id}`)];
    });
    const never = foldAll(interleaved(lives, random, 12), stateOf(NEW));
    const takenBack = foldAll(interleaved(withdrawals, random, 12), stateOf(NEW));
    expectClose(takenBack, never, NEW);
    expect(takenBack.foreign.total('structure')).toBe(60);
    expect(takenBack.foreign.total('intercept')).toBe(60);

    const copy = stateOf(NEW);
    copy.deserialise(takenBack.serialise(), takenBack.sequence);
    expect(bitsOf(copy)).toBe(bitsOf(takenBack));
    expect(copy.foreign.describe()).toBe(takenBack.foreign.describe());
  });
});

describe('a learner on a log of another feature map', () => {
  const learnerOn = async (store: FakeStore, map: TestMap) => {
    const [metrics, log] = [new Metrics(), new RecordingLogger()];
    const options = {
      featureMap: map.id,
      dimensions: dimensionsOf(map),
      store,
      clock: new ManualClock(),
      metrics,
      log,
      record: () => expect.unreachable('the learner writes no event here'),
    };
    const learner = new Learner(options);
    await learner.start();
    const { values } = await metrics.foreignContexts.get();
    const kept = Object.fromEntries(values.map(({ labels, value }) => [labels.kept, value]));
    const said = log.lines.filter((line) => line.includes('carried over'));
    return { learner, kept, said };
  };

  it('reports at each start what it carried over, from the log and from its own snapshot', async () => {
    const store = new FakeStore();
    await store.append([...stream(OLD, 30, 1), ...stream(STRANGE, 7, 2)]);
    const before = await learnerOn(store, OLD);
    expect([before.kept, before.said]).toEqual([
      { structure: 0, intercept: 7 },
      [expect.stringMatching(/7 decisions of feature map lexical-old\/structure-0: only the arms' intercepts/)],
    ]);
    await before.learner.close();

    const sentence =
      "info: The event log holds 30 decisions of feature map lexical-old/structure-2: the arms' intercepts and the structural features are carried over; 7 decisions of feature map lexical-old/structure-0: only the arms' intercepts are carried over.";
    const first = await learnerOn(store, NEW);
    expect([first.kept, first.said]).toEqual([{ structure: 30, intercept: 7 }, [sentence]]);
    await first.learner.close();
    store.reads.length = 0;
    const second = await learnerOn(store, NEW);
    expect(store.reads[0]).toBeGreaterThan(0);
    expect([second.kept, second.said]).toEqual([first.kept, first.said]);
    await second.learner.requestRefold();
    expect(second.learner.knowledge.foreign.total('structure')).toBe(30);
  });

  it('reports nothing if nothing was carried over', async () => {
    const store = new FakeStore();
    await store.append(stream(NEW, 5, 1));
    const { kept, said } = await learnerOn(store, NEW);
    expect([kept, said]).toEqual([{ structure: 0, intercept: 0 }, []]);
  });
});
