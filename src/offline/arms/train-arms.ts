import { basename } from 'node:path';
import { LinearPolicy, type PolicySums } from '../../bandit/linear-policy.ts';
import type { Observation } from '../../bandit/policy.ts';
import type { WarmStart, WarmStartSource } from '../../bandit/warm-start.ts';
import { contextUnder } from '../../features/feature-map.ts';
import type { Featurizer } from '../../features/featurizer.ts';
import { type RecordedRow, readRecordedRows } from '../../recorded/recorded-row.ts';
import { fileHash } from '../file-hash.ts';
import { textContext } from '../text-context.ts';
import { type RecordedArm, recordedObservations } from './recorded-observations.ts';

export interface ArmTraining {
  files: readonly string[];
  featurizer: Featurizer;
  arms: readonly RecordedArm[];
  /** Recorded name of a model -> id of the arm that it stands for; an arm's own id needs no entry. */
  names: ReadonlyMap<string, string>;
  /** Recorded in the warm start's file. */
  command: string;
  onProgress?(rows: number): void;
}

export interface ArmTrainingResult {
  warmStart: WarmStart;
  sources: WarmStartSource[];
  /** Number of ratings and lengths that were learned, by arm. */
  learned: { arm: string; ratings: number; answers: number }[];
  /** Recorded models that match no arm, and models named in `names` that the files do not contain. */
  unknown: string[];
  unused: string[];
  /** Lines with neither text nor features. */
  textless: number;
  /** Lines whose features come from another map: at most their structure and intercept count. */
  foreign: number;
  /** Lines superseded by a later line of the same decision, e.g. where the periods of two exports overlap. */
  repeated: number;
}

/** A few are enough to recognise the log that they come from. */
const DECISIONS_KEPT = 16;

/**
 * Fits what the arms' recorded outcomes teach, as a starting point for a policy.
 * @throws Error as `readRecordedRows` does
 */
export async function trainArms(training: ArmTraining): Promise<ArmTrainingResult> {
  const { featurizer, arms, names, command } = training;
  const byId = new Map(arms.map((arm) => [arm.id, arm]));
  const seen = new Set<string>();
  const unknown = new Set<string>();
  const armOf = (model: string) => {
    seen.add(model);
    const arm = byId.get(names.get(model) ?? model) ?? null;
    if (!arm) unknown.add(model);
    return arm;
  };
  const observations: Observation[] = [];
  /** By decision; a later export replaces an earlier one because it has the later ratings. */
  const ofDecisions = new Map<string, Observation[]>();
  const sources: WarmStartSource[] = [];
  let [textless, foreign, repeated, total] = [0, 0, 0, 0];
  for (const file of training.files) {
    const source = { file: basename(file), sha256: await fileHash(file), rows: 0, used: 0 };
    sources.push(source);
    for await (const { row } of readRecordedRows(file)) {
      source.rows++;
      training.onProgress?.(++total);
      const context = await contextOf(row, featurizer);
      if (!context) {
        textless++;
        continue;
      }
      const taught = recordedObservations(row, context, armOf);
      if (taught.length > 0) source.used++;
      if (!row.context) {
        for (const observation of taught) observations.push(observation);
        continue;
      }
      if (ofDecisions.has(row.id)) repeated++;
      ofDecisions.set(row.id, taught);
      if (row.context.featureMap !== featurizer.featureMap) foreign++;
    }
  }
  const { featureMap, dimensions } = featurizer;
  for (const taught of ofDecisions.values()) for (const observation of taught) observations.push(observation);
  const sums = sumsOf(observations, dimensions);
  return {
    warmStart: { featureMap, dimensions, command, decisions: spreadOut([...ofDecisions.keys()], DECISIONS_KEPT), sums },
    sources,
    learned: arms
      .map(({ id }) => ({
        arm: id,
        ratings: sums.quality.get(id)?.weight ?? 0,
        answers: sums.length.get(id)?.weight ?? 0,
      }))
      .filter(({ ratings, answers }) => ratings + answers > 0),
    unknown: [...unknown].sort(),
    unused: [...names.keys()].filter((name) => !seen.has(name)),
    textless,
    foreign,
    repeated,
  };
}

/**
 * The features of a line from a log, or else those of its text as a chat with a single turn; null when it has neither.
 */
async function contextOf(row: RecordedRow, featurizer: Featurizer): Promise<Float64Array | null> {
  if (row.context) {
    const { featureMap, values } = row.context;
    const context = { featureMap, values: Float32Array.from(values) };
    return contextUnder(context, featurizer.featureMap, featurizer.dimensions);
  }
  const text = row.question || row.prompt;
  return typeof text === 'string' ? textContext(text, featurizer) : null;
}

/** The sums that the observations leave in a policy. */
export function sumsOf(observations: readonly Observation[], dimensions: number): PolicySums {
  const policy = new LinearPolicy(dimensions);
  teach(policy, observations);
  return policy.sums();
}

/**
 * Learns outcomes that have no predictions; the correction then uses the predictions made after the lengths were
 * learned.
 */
export function teach(policy: LinearPolicy, observations: readonly Observation[]): void {
  policy.learnAll(observations);
  policy.learnCorrections(
    observations
      .filter((observation) => observation.kind === 'length')
      .map((length) => ({ ...length, predictedTokens: policy.modelOutputTokens(length.arm, length.context) })),
  );
}

function spreadOut<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)]);
}
