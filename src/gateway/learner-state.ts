import { createHash } from 'node:crypto';
import { LinearPolicy, type LinearPolicyState } from '../bandit/linear-policy.ts';
import type { Observation } from '../bandit/policy.ts';
import type { Decision } from '../domain/decision.ts';
import { type CompletedEvent, isModelEvent, type ModelEvent, type StoredEvent } from '../domain/events.ts';
import { changedBy, type ModelChange, type ModelChanges } from '../domain/model-changes.ts';
import { ArmStatistics, type ArmStatisticsState } from '../routing/arm-statistics.ts';
import { ForeignContexts, type ForeignContextsState } from './foreign-contexts.ts';
import { observationsOf } from './observations.ts';
import { SpendLedger, type SpendLedgerState } from './spend-ledger.ts';
import type { WarmStartFile } from './warm-start-file.ts';

const MIN_CHARACTERS = 500;

/** Raise it when the fold changes: older snapshots are then refolded from the log. */
const FOLD_VERSION = 6;

interface SerialisedState {
  policy: LinearPolicyState;
  statistics: ArmStatisticsState;
  foreign: ForeignContextsState;
  spend: SpendLedgerState;
  modelChanges: [string, ModelChange][];
  resets: [string, number][];
}

/** What the learner knows: a deterministic fold over the event log, from a warm start where there is one. */
export class LearnerState {
  readonly policy: LinearPolicy;
  readonly statistics = new ArmStatistics();
  /** What was learned from that another feature map made. */
  readonly foreign = new ForeignContexts();
  /** What each key has spent, and what admins changed: not learned from, but folds over the same log. */
  readonly spend = new SpendLedger();
  modelChanges: ModelChanges = new Map();
  /** Number of the last reset of each model that had one. */
  #resets = new Map<string, number>();
  /** Number of the last event folded. */
  sequence = 0;
  /** That event, by which the log is known again; null when a snapshot ended with it. */
  lastFolded: StoredEvent | null = null;
  readonly #featureMap: string;
  readonly #dimensions: number;
  readonly #warmStart: WarmStartFile | null;

  /** @param dimensions of the contexts that `featureMap` makes @param warmStart made under the same map */
  constructor(featureMap: string, dimensions: number, warmStart: WarmStartFile | null = null) {
    this.#featureMap = featureMap;
    this.#dimensions = dimensions;
    this.#warmStart = warmStart;
    this.policy = new LinearPolicy(dimensions);
    if (warmStart) this.policy.addSums(warmStart.sums);
  }

  /**
   * Takes in one event. @param history the earlier events of the same decision, in order
   * @throws RangeError when a part of what it teaches is not finite; that part has no effect, all the rest has
   */
  fold(event: StoredEvent, history: readonly StoredEvent[]): void {
    this.sequence = event.sequence;
    this.lastFolded = event;
    if (isModelEvent(event)) {
      this.#foldModelEvent(event, event.sequence);
      return;
    }
    this.spend.fold(event, history);
    if (event.type === 'decided') {
      this.foreign.count(event.context, this.#featureMap, this.#dimensions);
      const { reference, referenceCostUsd } = event.decision;
      if (referenceCostUsd !== null && Number.isFinite(referenceCostUsd)) {
        this.statistics.learnReferenceCost(reference, referenceCostUsd);
      }
    }
    if (event.type === 'completed') this.#learnStatistics(event, history);
    const before = this.#observations(history);
    const after = this.#observations([...history, event]);
    this.#learn([
      ...[...before].filter(([key]) => !after.has(key)).map(([, lesson]) => ({ ...lesson, weight: -lesson.weight })),
      ...[...after].filter(([key]) => !before.has(key)).map(([, lesson]) => lesson),
    ]);
  }

  /** What the policy refuses when it comes it refuses again when it is taken back, so the others stay in balance. */
  #learn(lessons: readonly Observation[]): void {
    let refusal: unknown = null;
    for (const lesson of lessons) {
      try {
        this.policy.learn(lesson);
      } catch (error) {
        refusal ??= error;
      }
    }
    if (refusal) throw refusal;
  }

  #foldModelEvent(event: ModelEvent, sequence: number): void {
    this.modelChanges = changedBy(this.modelChanges, event);
    if (event.type !== 'model_reset') return;
    this.#resets.set(event.model, sequence);
    this.policy.forget(event.model);
    this.statistics.forget(event.model);
  }

  #observations(events: readonly StoredEvent[]) {
    const lessons = observationsOf(events, this.#featureMap, this.#dimensions);
    for (const [key, { arm }] of lessons) if (this.#isForgotten(arm, events)) lessons.delete(key);
    return lessons;
  }

  /** What was decided before a model's reset teaches nothing about it, however late it is rated or the rating withdrawn. */
  #isForgotten(arm: string, events: readonly StoredEvent[]): boolean {
    const decided = events.find(({ type }) => type === 'decided');
    return decided !== undefined && decided.sequence < (this.#resets.get(arm) ?? 0);
  }

  #learnStatistics(event: CompletedEvent, history: readonly StoredEvent[]): void {
    if (event.arm === null || event.outcome !== 'ok' || this.#isForgotten(event.arm, history)) return;
    if (event.serviceMs !== null && Number.isFinite(event.serviceMs)) {
      this.statistics.learnService(event.arm, event.serviceMs / 1000);
    }
    const decided = history.find((earlier) => earlier.type === 'decided');
    if (!event.usage || event.usageEstimated || !Number.isFinite(event.usage.inputTokens) || !decided) return;
    if (!tellsOfTokeniser(decided.decision)) return;
    this.statistics.learnInput(event.arm, decided.decision.inputCharacters, event.usage.inputTokens);
  }

  /** The whole state as text; `deserialise` gives it back to the bit. */
  serialise(): string {
    const state: SerialisedState = {
      policy: this.policy.state(),
      statistics: this.statistics.state(),
      foreign: this.foreign.state(),
      spend: this.spend.state(),
      modelChanges: [...this.modelChanges],
      resets: [...this.#resets],
    };
    const body = JSON.stringify(state, floatsToBase64);
    return JSON.stringify({ key: this.#foldKey(), checksum: checksum(body), body });
  }

  /**
   * @returns false when the text was written for another feature map or version, so that the log must be refolded
   * @throws Error when it is damaged; the state is then unusable
   */
  deserialise(text: string, sequence: number): boolean {
    const { key, checksum: expected, body } = JSON.parse(text);
    if (key !== this.#foldKey()) return false;
    if (checksum(body) !== expected) throw new Error('its checksum does not match');
    const state: SerialisedState = JSON.parse(body, floatsFromBase64);
    this.policy.restore(state.policy);
    this.statistics.restore(state.statistics);
    this.foreign.restore(state.foreign);
    this.spend.restore(state.spend);
    this.modelChanges = new Map(state.modelChanges);
    this.#resets = new Map(state.resets);
    this.sequence = sequence;
    return true;
  }

  #foldKey(): string {
    const start = this.#warmStart ? `/${this.#warmStart.hash}` : '';
    return `${FOLD_VERSION}/${this.#featureMap}/${this.#dimensions}${start}`;
  }
}

/**
 * Images, files and sound have tokens but no characters, and in a short prompt the tokens of the chat template count
 * for more than the text.
 */
function tellsOfTokeniser({ images, needs, inputCharacters }: Decision): boolean {
  return images === 0 && !needs.includes('files') && !needs.includes('audio') && inputCharacters >= MIN_CHARACTERS;
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function floatsToBase64(_: string, value: unknown): unknown {
  if (!(value instanceof Float64Array)) return value;
  return { float64: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') };
}

function floatsFromBase64(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('float64' in value)) return value;
  return new Float64Array(Uint8Array.from(Buffer.from(String(value.float64), 'base64')).buffer);
}
