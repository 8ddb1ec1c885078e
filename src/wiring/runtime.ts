import { enabledArms } from '../config/arms.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import type { Tier } from '../domain/arm.ts';
import type { Learner } from '../gateway/learning/learner.ts';
import type { Logger } from '../gateway/logger.ts';
import type { Runtime } from '../gateway/runtime.ts';
import type { ArmConditions } from '../routing/route-query.ts';
import { Router } from '../routing/router.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import { buildProviders } from './providers.ts';
import { aliasesOf, auditOf, budgetTarget, implicitSettings } from './settings.ts';
import { StartError } from './start-error.ts';

export interface RuntimeParts {
  clock: Clock;
  learner: Learner;
  log: Logger;
  conditions: ArmConditions;
  random: Random;
  tierSlopes: ReadonlyMap<Tier, Float64Array>;
}

/**
 * Builds what serves requests under a config, without changing what serves them now.
 * @param before what serves now; its unchanged providers keep their connections
 * @throws StartError when no model can be called
 */
export function buildRuntime(
  loaded: LoadedConfig,
  before: { loaded: LoadedConfig; runtime: Runtime } | null,
  parts: RuntimeParts,
): Runtime {
  const { config } = loaded;
  const arms = enabledArms(loaded);
  if (arms.length === 0) throw noModel(loaded);
  const reference = referenceArm(config, arms);
  if (config.routing.reference && reference !== config.routing.reference && reference !== before?.runtime.reference) {
    parts.log.warn(`The reference model "${config.routing.reference}" is off; "${reference}" takes its place.`);
  }
  const { latency, targets, stickiness } = config.routing;
  const { tries, budget_usd: budgetUsd } = config.learning.launch;
  const budget = budgetTarget(targets.budget);
  return {
    arms,
    providers: buildProviders(loaded, before, parts.clock),
    router: new Router(
      {
        arms,
        reference,
        exploration: config.learning.exploration,
        latency: { ...latency, budgetS: latency.budget_s },
        launch: { tries, budgetUsd },
        patienceS: config.resilience.max_retry_after_s,
        guard: targets.quality ?? null,
        budget,
      },
      () => parts.learner.knowledge,
      parts.conditions,
      parts.random,
    ),
    reference,
    defaultWeight: config.routing.weight,
    budget,
    namedWeights: new Map(Object.entries(config.routing.weights)),
    aliases: aliasesOf(config),
    resilience: {
      retries: config.resilience.retries,
      maxRetryAfterMs: config.resilience.max_retry_after_s * 1000,
    },
    // Clients that name a session want it to stay with one model; for other conversations nobody has asked for that.
    stickiness: { named: stickiness ?? 'strict', recognised: stickiness ?? 'price' },
    asking: { audit: auditOf(config).share, ask: config.learning.ask },
    implicit: implicitSettings(config),
  };
}

/** The configured reference if it can be called, otherwise the most expensive arm that can be. */
function referenceArm(config: Config, arms: Runtime['arms']): string {
  const { reference } = config.routing;
  if (arms.some(({ id }) => id === reference)) return reference as string;
  return arms.reduce((a, b) => (b.price.output > a.price.output ? b : a)).id;
}

function noModel(loaded: LoadedConfig): StartError {
  const variables = [...new Set(loaded.missingKeys.values())];
  const ways =
    variables.length > 0 ? `Set ${variables.join(' or ')}` : 'Add a provider with a key and one of its models';
  return new StartError(
    `No model can be called: no provider has its key. ${ways}, or try it without a key: mixllm demo (npm run demo)`,
  );
}
