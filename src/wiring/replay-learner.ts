import { likenedArms, priorQualities, priorSlopes } from '../bandit/priors.ts';
import type { LoadedConfig } from '../config/load.ts';
import { knownArms } from '../config/model-catalog.ts';
import { LearnerState } from '../gateway/learner-state.ts';
import type { ReplayLearner, ReplayStart } from '../offline/replay/replay-log.ts';
import { openWarmStart, tierSlopes } from './features.ts';
import { StartError } from './start-error.ts';

/** The learner of a gateway with this config, before it has read anything of the log, as a replay asks for it. @throws StartError */
export function startReplayLearner(loaded: LoadedConfig, start: ReplayStart): ReplayLearner {
  const { featureMap, dimensions, target } = start;
  const warmStart = openWarmStart(loaded.config, start);
  // As the gateway does with one that was made of its own log.
  const own = warmStart?.decisions.some((decision) => start.decisions.has(decision));
  const learner = new LearnerState(featureMap, dimensions, own ? null : warmStart);
  const known = knownArms(loaded, start.modelChanges);
  for (const id of Object.keys(target.priors ?? {})) {
    if (known.some((arm) => arm.id === id)) continue;
    const ids = known.map((arm) => arm.id).join(', ');
    throw new StartError(`The policy has a prior for "${id}", and the config has no such model; it has: ${ids}`);
  }
  const arms = known
    .filter(({ id }) => start.models.includes(id))
    .map((arm) => ({ ...arm, prior: target.priors?.[arm.id] ?? arm.prior }));
  learner.policy.setPriorQualities(priorQualities(arms), priorSlopes(arms, tierSlopes(start)), likenedArms(arms));
  return learner;
}
