import { DRIFT } from '../../bandit/defaults.ts';
import type { DriftOptions } from '../../bandit/drift-monitor.ts';
import type { Observation } from '../../bandit/policy.ts';
import { explanationOf } from '../../domain/decision.ts';
import {
  type CompletedEvent,
  completedIn,
  type DecidedEvent,
  type DecisionEvent,
  type DriftedEvent,
  decidedIn,
  isModelChange,
  isModelEvent,
  type LaunchedEvent,
  type ModelEvent,
  type ModelResetEvent,
  type SnapshotChangedEvent,
  type StoredEvent,
} from '../../domain/events.ts';
import { changedBy } from '../../domain/model-changes.ts';
import { coefficientsUnder } from '../../features/feature-map.ts';
import { LearnerParts, type LearnerPartsState } from './learner-parts.ts';
import { type KeyedLesson, lessonChanges } from './lesson-changes.ts';
import { type Lesson, observationsOf } from './observations.ts';
import { budgetedRequest, predictedCost, predictedTokens, tellsOfTokeniser } from './predicted.ts';
import { decodeState, encodeState } from './state-bytes.ts';
import type { WarmStartFile } from './warm-start-file.ts';

/** Increment this when the fold changes: older snapshots are then rebuilt from the log. */
const FOLD_VERSION = 32;

/** What the learner knows: a deterministic fold over the event log, beginning with a warm start if there is one. */
export class LearnerState extends LearnerParts {
  /** When an arm's ratings count as drifted, from the current config; null if drift is not watched. */
  driftOptions: DriftOptions | null = DRIFT;
  readonly #featureMap: string;
  readonly #dimensions: number;
  readonly #warmStart: WarmStartFile | null;

  /**
   * @param dimensions length of the contexts that `featureMap` makes
   * @param warmStart a warm start made with the same feature map
   */
  constructor(featureMap: string, dimensions: number, warmStart: WarmStartFile | null = null) {
    super(dimensions);
    this.#featureMap = featureMap;
    this.#dimensions = dimensions;
    this.#warmStart = warmStart;
    if (warmStart) this.policy.addSums(warmStart.sums);
  }

  /**
   * Folds one event.
   * @param history the earlier events of the same decision, in order
   * @throws RangeError when part of what the event teaches is not finite; that part has no effect, but all others do
   */
  fold(event: StoredEvent, history: readonly StoredEvent[]): void {
    this.sequence = event.sequence;
    this.lastFolded = event;
    if (event.type === 'unreadable') throw new Error('its row in the event log is damaged');
    if (isModelEvent(event)) {
      this.#foldModelEvent(event);
      return;
    }
    this.keySpend.fold(event, history);
    this.volunteers.fold(event, history);
    if (event.type === 'decided') this.#learnDecision(event);
    else this.#learnOutcome(event, history);
  }

  #learnOutcome(event: StoredEvent<DecisionEvent>, history: readonly StoredEvent[]): void {
    if (event.type === 'completed') {
      this.#learnStatistics(event, history);
      this.#learnSpending(event, history);
      this.#noteUpstream(event, history);
    }
    const events = [...history, event];
    this.#noteRated(events);
    const before = this.#observations(history);
    const after = this.#observations(events);
    const { gone, changed, come, driftRating } = lessonChanges(before, after);
    this.#watch(driftRating, event.sequence, decidedAt(events));
    this.#learn([
      ...gone.map((lesson) => this.#scaledByDrift(lesson, history, -1)),
      ...[...changed, ...come].map((lesson) => this.#scaledByDrift(lesson, events, 1)),
    ]);
  }

  #learnDecision({ decisionId, decision, context, time }: DecidedEvent): void {
    this.foreign.count(context, this.#featureMap, this.#dimensions);
    const reference = explanationOf(decision, decision.reference);
    const tokens = reference && predictedTokens(reference, decision.referenceCachedTokens);
    if (reference && tokens) this.statistics.learnReference(reference.arm, tokens);
    this.routingSpend.asked(time);
    const budgeted = budgetedRequest(decision);
    if (budgeted) this.routingSpend.decided(budgeted);
    for (const { arm } of decision.arms) this.known.add(arm);
    if (decision.chosenBy === 'launch') this.launches.tried(decision.arm, predictedCost(decision), decisionId);
  }

  #learnSpending(event: StoredEvent<CompletedEvent>, history: readonly StoredEvent[]): void {
    const decision = decidedIn(history)?.decision;
    const costUsd = Number.isFinite(event.costUsd) ? (event.costUsd as number) : 0;
    // A failure has not saved any money: if it counted as 0 USD, models that are down would drive the price of money ν
    // to 0.
    const hasFailed = event.arm === null && costUsd === 0;
    this.routingSpend.spent(
      event.decisionId,
      event.time,
      costUsd,
      decision ? budgetedRequest(decision) : null,
      hasFailed,
    );
    if (decision?.chosenBy === 'launch' && !this.#isForgotten(decision.arm, history)) {
      // Where another arm answered, its cost is not part of the launch.
      const ownUsd = event.arm === decision.arm ? costUsd : 0;
      this.launches.settled(decision.arm, ownUsd - predictedCost(decision));
    }
    if (event.arm !== null && event.outcome === 'ok' && !this.#isForgotten(event.arm, history)) {
      this.launches.answered(event.arm);
      this.awaitedRatings.answered(event.arm, event.sequence);
    }
  }

  /**
   * Notes a rating that was awaited. Also called when an answer ends, because a stream may be rated before it ends. A
   * failed answer was never awaited, and its rating says nothing about others.
   */
  #noteRated(events: readonly StoredEvent[]): void {
    const answer = events.find((event) => event.type === 'completed' && event.outcome === 'ok');
    if (answer && events.some(({ type }) => type === 'rated')) this.awaitedRatings.rated(answer.sequence);
  }

  #noteUpstream({ arm, upstreamModel, servedModel }: CompletedEvent, history: readonly StoredEvent[]): void {
    if (arm === null || !upstreamModel || this.#isForgotten(arm, history)) return;
    this.upstreamVersions.answered(arm, upstreamModel, servedModel);
  }

  /**
   * Shows the rating to the drift monitor, unless its answer dates from before a known change: such a rating does not
   * reflect the current level and says nothing about it.
   */
  #watch(lesson: Lesson | undefined, sequence: number, decided: number): void {
    const options = this.driftOptions;
    // Without options nothing may be accumulated: sums that grew unwatched would raise an alarm as soon as drift is
    // watched.
    if (!options || lesson?.kind !== 'quality' || this.resets.since(lesson.arm, sequence, decided).alarms > 0) return;
    const { arm, context, reward, driftWeight = 1, reliability } = lesson;
    const residual = this.policy.standardisedResidual(arm, context, reward, reliability);
    if (Number.isFinite(driftWeight * residual)) {
      this.drift.observe(arm, residual, sequence, options, driftWeight, decided);
    }
  }

  /**
   * Scales the lesson down by the drift alarms since its rating was first learned. This applies when the lesson is
   * taken back, when it counts again because the rating that replaced it was withdrawn, and when it comes late, for an
   * answer from before the change.
   * @param events the events of its decision, including the rating
   * @param sign −1 to take it back
   */
  #scaledByDrift([key, lesson]: KeyedLesson, events: readonly StoredEvent[], sign: 1 | -1): Observation {
    if (lesson.kind !== 'quality' || !this.resets.hasDrifted(lesson.arm)) {
      return { ...lesson, weight: sign * lesson.weight };
    }
    const { share, alarms } = this.resets.since(lesson.arm, firstLearned(key, events), decidedAt(events));
    return { ...lesson, weight: sign * share * lesson.weight, alarmsSince: alarms };
  }

  /**
   * Learns the lessons, continuing after any that the policy refuses. The policy also refuses the same lesson when it
   * is withdrawn, so the sums stay right.
   */
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

  #foldModelEvent(event: StoredEvent<ModelEvent>): void {
    if (isModelChange(event)) this.modelChanges = changedBy(this.modelChanges, event);
    if (event.type === 'model_reset') this.#reset(event);
    else if (event.type === 'launched') this.#launch(event);
    else if (event.type === 'drifted') this.#resetLevel(event);
    else if (event.type === 'snapshot_changed') this.#changeSnapshot(event);
  }

  #launch({ model, featureMap, priorMean }: LaunchedEvent): void {
    if (!this.launches.begin(model)) return;
    const mean =
      featureMap === this.#featureMap
        ? Float64Array.from(priorMean)
        : coefficientsUnder(priorMean, featureMap, this.#featureMap, this.#dimensions);
    this.policy.launch(model, mean);
  }

  /**
   * Resets the arm's level after drift. When two processes saw the same drift, the second event has no effect; neither
   * has an alarm from before the arm's last reset, or about an earlier version of its upstream model.
   */
  #resetLevel(event: StoredEvent<DriftedEvent>): void {
    const { model, at, remains } = event;
    if (this.resets.isOutdated(event) || at < (this.upstreamVersions.lastChange(model)?.sequence ?? 0)) return;
    this.policy.resetLevel(model, remains);
    this.resets.drifted(event);
    this.drift.reset(model);
  }

  /**
   * Tempers the arm after a change of its upstream model. Lessons that arrive later but belong to earlier decisions are
   * reduced in the same way: see `#observations`.
   */
  #changeSnapshot(event: StoredEvent<SnapshotChangedEvent>): void {
    if (!this.upstreamVersions.change(event)) return;
    this.policy.temperAll(event.model, event.remains);
    this.drift.reset(event.model);
  }

  /** Makes the arm new again: it becomes unknown, and can be launched once more. */
  #reset(event: StoredEvent<ModelResetEvent>): void {
    const { model } = event;
    this.resets.reset(event);
    this.drift.reset(model);
    this.upstreamVersions.forget(model);
    this.launches.forget(model, event.time);
    this.awaitedRatings.forget(model);
    this.known.delete(model);
    this.policy.forget(model);
    this.statistics.forget(model);
  }

  #observations(events: readonly StoredEvent[]) {
    const lessons = observationsOf(events, this.#featureMap, this.#dimensions);
    const upstreamModel = completedIn(events)?.upstreamModel;
    for (const [key, lesson] of lessons) {
      const share = this.upstreamVersions.shareLeft(lesson.arm, decidedAt(events), upstreamModel);
      if (this.#isForgotten(lesson.arm, events)) lessons.delete(key);
      else if (share !== 1) lessons.set(key, { ...lesson, weight: share * lesson.weight });
    }
    return lessons;
  }

  /** Decisions from before a model's reset teach nothing about it, however late a rating arrives or is withdrawn. */
  #isForgotten(arm: string, events: readonly StoredEvent[]): boolean {
    const decided = decidedIn(events);
    return decided !== undefined && this.resets.isForgotten(arm, decided.sequence);
  }

  #learnStatistics(event: CompletedEvent, history: readonly StoredEvent[]): void {
    if (event.arm === null || event.outcome !== 'ok' || this.#isForgotten(event.arm, history)) return;
    if (event.serviceMs !== null && Number.isFinite(event.serviceMs)) {
      this.statistics.learnService(event.arm, event.serviceMs / 1000, event.queued);
    }
    const decided = decidedIn(history);
    if (!event.usage || event.usageEstimated || !Number.isFinite(event.usage.inputTokens) || !decided) return;
    const { decision } = decided;
    if (tellsOfTokeniser(decision)) this.statistics.learnInput(event.arm, decision, event.usage.inputTokens);
  }

  /** Encodes the whole state as bytes; `deserialise` restores it bit for bit. */
  serialise(): Uint8Array {
    return encodeState(this.foldKey, this.state());
  }

  /**
   * Restores a serialised state.
   * @throws Error when it is damaged, or was written under another `foldKey`; the state is then unusable
   */
  deserialise(bytes: Uint8Array, sequence: number): void {
    this.restore(decodeState<LearnerPartsState>(this.foldKey, bytes), sequence);
  }

  /** What a state depends on besides the log: a snapshot is usable only under the same key. */
  get foldKey(): string {
    const start = this.#warmStart ? `/${this.#warmStart.hash}` : '';
    return `${FOLD_VERSION}/${this.#featureMap}/${this.#dimensions}${start}`;
  }
}

/** Sequence number of the decision in the log; 0 if it is not there. */
function decidedAt(events: readonly StoredEvent[]): number {
  return decidedIn(events)?.sequence ?? 0;
}

/**
 * Sequence number of the event from which on the rating teaches, regardless of other ratings of the answer: the later
 * of the rating's own event and the end of the answer.
 */
function firstLearned(feedbackId: string, events: readonly StoredEvent[]): number {
  const needed = events.filter((event) => {
    return event.type === 'completed' || (event.type === 'rated' && event.feedbackId === feedbackId);
  });
  return Math.max(...needed.map(({ sequence }) => sequence));
}
