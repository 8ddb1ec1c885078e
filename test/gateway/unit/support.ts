import type { ArmExplanation, Decision } from '../../../src/domain/decision.ts';
import type {
  CompletedEvent,
  DecidedEvent,
  GatewayEvent,
  ModelChangeEvent,
  RatedEvent,
  StoredEvent,
  WithdrawnEvent,
} from '../../../src/domain/events.ts';
import type { Logger } from '../../../src/gateway/logger.ts';
import { type Random, seededRandom } from '../../../src/util/random.ts';

export const FEATURE_MAP = 'map-1';
export const DIMENSIONS = 4;
export const ARMS = ['big', 'mid', 'small'];

export function explanationOf(arm: string, fields: Partial<ArmExplanation> = {}): ArmExplanation {
  return {
    arm,
    provider: 'p',
    excluded: null,
    quality: 0.8,
    qualitySd: 0.1,
    exploredQuality: 0.8,
    ratings: 0,
    inputTokens: 100,
    outputTokens: 300,
    modelOutputTokens: 300,
    costUsd: 0.001,
    launch: null,
    waitS: 0,
    penalty: 0,
    score: 0.5,
    propensity: 0.3,
    ...fields,
  };
}

export function decided(
  decisionId: string,
  fields: Partial<Decision> = {},
  values: ArrayLike<number> = [1, 0.5, -1, 2],
  featureMap = FEATURE_MAP,
): DecidedEvent {
  return {
    type: 'decided',
    decisionId,
    time: 1_700_000_000_000,
    requestId: `req-${decisionId}`,
    key: null,
    requestedModel: 'auto',
    stream: false,
    context: { featureMap, values: Float32Array.from(values) },
    decision: {
      arm: 'big',
      chosenBy: 'score',
      degraded: null,
      weight: 0.5,
      weightFrom: 'config',
      budgetUsd: null,
      exploration: 'thompson',
      propensity: 0.3,
      reference: 'big',
      referenceMeanCostUsd: 0.01,
      referenceCostUsd: 0.012,
      featureMap,
      tag: 'small talk',
      needs: [],
      inputCharacters: 400,
      images: 0,
      arms: ARMS.map((arm) => explanationOf(arm)),
      runnerUp: null,
      flipBelow: null,
      flipAbove: null,
      ...fields,
    },
  };
}

export function completed(decisionId: string, fields: Partial<CompletedEvent> = {}): CompletedEvent {
  return {
    type: 'completed',
    decisionId,
    time: 1_700_000_001_000,
    outcome: 'ok',
    arm: 'big',
    attempts: [],
    status: 200,
    completionId: `chatcmpl-${decisionId}`,
    servedModel: null,
    finishReason: 'stop',
    usage: { inputTokens: 120, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 250 },
    usageEstimated: false,
    costUsd: 0.002,
    timeToFirstTokenMs: 100,
    serviceMs: 1500,
    latencyMs: 1510,
    overheadMs: 1,
    ...fields,
  };
}

export function rated(decisionId: string, feedbackId: string, score: number, source = 'user'): RatedEvent {
  const time = 1_700_000_002_000;
  return { type: 'rated', decisionId, time, feedbackId, score, source, comment: null, idempotencyKey: null };
}

export function withdrawn(decisionId: string, feedbackId: string): WithdrawnEvent {
  return { type: 'withdrawn', decisionId, time: 1_700_000_003_000, feedbackId };
}

export function modelEvent(
  model: string,
  type: ModelChangeEvent['type'],
  settings = {},
  added = true,
): ModelChangeEvent {
  const common = { decisionId: null, time: 1_700_000_004_000, model, by: null };
  return type === 'model_set' ? { ...common, type, settings, added } : { ...common, type };
}

export function numbered(events: readonly GatewayEvent[]): StoredEvent[] {
  return events.map((event, i) => ({ ...event, sequence: i + 1 }));
}

/** A random life of a decision in a valid order: answered or not, rated by several, replaced, withdrawn. */
export function randomLife(id: string, random: Random): GatewayEvent[] {
  const pick = <T>(items: readonly T[]) => items[Math.floor(random.uniform() * items.length)] as T;
  const context = [1, random.normal(), random.normal(), random.normal()];
  const costUsd = pick([0.01, 0.02, null]);
  const arms = ARMS.map((arm) => explanationOf(arm, { costUsd, outputTokens: costUsd && 1e5 * costUsd }));
  const life: GatewayEvent[] = [decided(id, { arm: pick(ARMS), referenceCostUsd: costUsd, arms }, context)];
  const outcome = pick(['ok', 'ok', 'ok', 'interrupted', 'failed'] as const);
  const usage = {
    inputTokens: 100,
    cachedInputTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: 1 + Math.floor(900 * random.uniform()),
  };
  life.push(
    completed(id, {
      outcome,
      arm: outcome === 'failed' ? null : pick(ARMS),
      usage,
      serviceMs: 500 + 3000 * random.uniform(),
    }),
  );
  for (let i = 0; random.uniform() < 0.6; i++) {
    const feedbackId = `fb-${id}-${i}`;
    life.push(rated(id, feedbackId, random.uniform(), pick(['user', 'judge'])));
    if (random.uniform() < 0.3) life.push(withdrawn(id, feedbackId));
  }
  return life;
}

/** Many lives, interleaved; each keeps its own order. */
export function randomStream(decisions: number, seed: number): GatewayEvent[] {
  const random = seededRandom(seed);
  const lives = Array.from({ length: decisions }, (_, i) => randomLife(`dec-${seed}-${i}`, random));
  return interleaved(lives, random, 12);
}

/** @param open how many lives run at a time */
export function interleaved(lives: readonly GatewayEvent[][], random: Random, open: number): GatewayEvent[] {
  const queue = lives.map((life) => [...life]);
  const running = queue.splice(0, open);
  const events: GatewayEvent[] = [];
  while (running.length > 0) {
    const at = Math.floor(random.uniform() * running.length);
    events.push(running[at].shift() as GatewayEvent);
    if (running[at].length > 0) continue;
    running.splice(at, 1);
    running.push(...queue.splice(0, 1));
  }
  return events;
}

/** The whole state as text: equal texts mean bit-identical states. */
export function bitsOf(state: { serialise(): Uint8Array }): string {
  return Buffer.from(state.serialise()).toString('latin1');
}

/** Records what is logged. */
export class RecordingLogger implements Logger {
  readonly lines: string[] = [];
  readonly fields: object[] = [];
  readonly info = this.#writer('info');
  readonly warn = this.#writer('warn');
  readonly error = this.#writer('error');

  #writer(level: string) {
    return (fields: object | string, message?: string) => {
      this.lines.push(`${level}: ${message ?? fields}`);
      if (typeof fields === 'object') this.fields.push(fields);
    };
  }
}

/** The value of a counter or gauge, summed over its labels. */
export async function metricValue(metric: {
  get(): Promise<{ values: { value: number; labels: object }[] }>;
}): Promise<number> {
  return (await metric.get()).values.reduce((sum, { value }) => sum + value, 0);
}
