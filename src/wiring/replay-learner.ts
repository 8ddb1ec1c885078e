import type { LoadedConfig } from '../config/load.ts';
import { knownArms } from '../config/model-catalog.ts';
import type { Arm } from '../domain/arm.ts';
import { isModelChange, isModelEvent, type LaunchedEvent, type StoredEvent } from '../domain/events.ts';
import type { ModelChanges } from '../domain/model-changes.ts';
import { LearnerState } from '../gateway/learning/learner-state.ts';
import { configuredPrior } from '../gateway/learning/newcomers.ts';
import type { ReplayLearner, ReplayStart } from '../offline/replay/replay-log.ts';
import { likenedArms, priorQualities, priorSlopes } from '../routing/priors.ts';
import { openWarmStart, tierSlopes } from './features.ts';
import { StartError } from './start-error.ts';

/**
 * Builds the learner of a gateway with this config, before it has read any of the log.
 * @throws StartError when the warm start cannot be used, or when the policy has a prior for a model that the config
 * lacks
 */
export function startReplayLearner(loaded: LoadedConfig, start: ReplayStart): ReplayLearner {
  const { featureMap, dimensions, target, modelChanges } = start;
  const warmStart = openWarmStart(loaded.config, start);
  // The gateway would not use a warm start made from its own log either.
  const own = warmStart?.decisions.some((decision) => start.decisions.has(decision));
  const learner = new LearnerState(featureMap, dimensions, own ? null : warmStart);
  const known = knownArms(loaded, modelChanges);
  for (const id of Object.keys(target.priors ?? {})) {
    if (known.some((arm) => arm.id === id)) continue;
    const ids = known.map((arm) => arm.id).join(', ');
    throw new StartError(`The policy has a prior for "${id}", but the config has no such model; it has: ${ids}`);
  }
  return new PriorsInForce(learner, loaded, start);
}

/**
 * Sets the priors that the gateway had at each event, because a model's prior depends on which other models there are.
 */
class PriorsInForce implements ReplayLearner {
  readonly #learner: LearnerState;
  readonly #armsAfter: (changes: ModelChanges) => Arm[];
  readonly #start: ReplayStart;

  constructor(learner: LearnerState, loaded: LoadedConfig, start: ReplayStart) {
    this.#learner = learner;
    this.#start = start;
    this.#armsAfter = (changes) =>
      knownArms(loaded, changes).map((arm) => ({ ...arm, prior: start.target.priors?.[arm.id] ?? arm.prior }));
    this.#setPriors();
  }

  get policy() {
    return this.#learner.policy;
  }

  fold(event: StoredEvent, history: readonly StoredEvent[]): void {
    this.#learner.fold(isModelEvent(event) && event.type === 'launched' ? this.#launched(event) : event, history);
    if (isModelChange(event)) this.#setPriors();
  }

  #setPriors(): void {
    const arms = this.#armsAfter(this.#learner.modelChanges);
    this.policy.setPriorQualities(priorQualities(arms), priorSlopes(arms, tierSlopes(this.#start)), likenedArms(arms));
  }

  /** Replaces the launch's prior by that of the policy, if it has one for the model. */
  #launched(event: StoredEvent<LaunchedEvent>): StoredEvent<LaunchedEvent> {
    const prior = this.#start.target.priors?.[event.model];
    const begun = prior && configuredPrior({ id: event.model, prior }, this.#learner);
    return begun ? { ...event, ...begun, featureMap: this.#start.featureMap } : event;
  }
}
