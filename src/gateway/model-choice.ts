import type { Arm } from '../domain/arm.ts';
import { AUTO, numericWeight, standsForRouting, weightIn } from '../domain/auto-model.ts';
import type { Decision } from '../domain/decision.ts';
import { GatewayError, invalidRequest } from '../domain/errors.ts';
import type { Alias, KeyLimits, Runtime } from './runtime.ts';

/** The weight, and where it comes from. */
type ChosenWeight = Pick<ModelChoice, 'weight' | 'weightFrom' | 'budgetWeight'>;

export interface ModelChoice {
  /** The arm that the client named, or null to let the router choose. */
  requested: Arm | null;
  /** Ids of the arms to route among, because the name is an alias for a group of them; null for all. */
  among: ReadonlySet<string> | null;
  weight: number;
  weightFrom: Decision['weightFrom'];
  /** The budget's weight, present only when a key's bounds replaced it. */
  budgetWeight?: number;
}

/**
 * Interprets `model` and determines the weight. A weight in the model's name takes precedence over the header, the
 * header over the budget, and the budget over the config; the key's bounds clamp whichever applies.
 * @param weightHeader `x-mixllm-weight`, already checked to lie in 0..1
 * @param budgetWeight the budget's current weight; null without a budget
 * @throws GatewayError 404 for a model that is not registered, 400 for a weight outside 0..1
 */
export function chooseModel(
  model: string,
  weightHeader: number | null,
  key: KeyLimits | null,
  runtime: Runtime,
  budgetWeight: number | null = null,
): ModelChoice {
  const { model: meant, among } = meaningOf(model, runtime);
  const requested = armCalled(meant, runtime);
  if (requested && key?.models && !key.models.has(requested.id)) throw modelNotFound(model);
  const suffix = requested ? null : weightSuffix(meant, runtime);
  const unclamped =
    suffix !== null
      ? { weight: suffix, weightFrom: 'model' as const }
      : weightHeader !== null
        ? { weight: weightHeader, weightFrom: 'header' as const }
        : budgetWeight !== null
          ? { weight: budgetWeight, weightFrom: 'budget' as const }
          : { weight: runtime.defaultWeight, weightFrom: 'config' as const };
  return { requested, among, ...clamp(unclamped, key) };
}

/**
 * Resolves the client's name for a model. An arm's own id always means that arm, even if an admin added it later. An
 * alias of an arm that is not on offer (an admin retired it) is treated like any other name.
 */
function meaningOf(model: string, runtime: Runtime): Alias {
  const isOnOffer = ({ model: name, among }: Alias) =>
    standsForRouting(name) ? !among || runtime.arms.some(({ id }) => among.has(id)) : armCalled(name, runtime) !== null;
  const itself = { model, among: null };
  const candidates = [itself, runtime.aliases.get(model), runtime.aliases.get('*')];
  return candidates.find((candidate) => candidate && isOnOffer(candidate)) ?? itself;
}

function armCalled(id: string, runtime: Runtime): Arm | null {
  return runtime.arms.find((arm) => arm.id === id) ?? null;
}

/** The weight given in `auto:…`; null for plain `auto`. */
function weightSuffix(model: string, runtime: Runtime): number | null {
  if (model === AUTO) return null;
  const suffix = weightIn(model);
  if (suffix === null) throw modelNotFound(model);
  const weight = runtime.namedWeights.get(suffix) ?? numericWeight(suffix);
  if (Number.isNaN(weight)) throw modelNotFound(model);
  if (weight < 0 || weight > 1) {
    throw invalidRequest(`The weight in "${model}" must be between 0 and 1.`, 'model', 'invalid_weight');
  }
  return weight;
}

function clamp(choice: ChosenWeight, key: KeyLimits | null): ChosenWeight {
  if (!key) return choice;
  const weight = Math.min(key.weight.max, Math.max(key.weight.min, choice.weight));
  if (weight === choice.weight) return choice;
  return { weight, weightFrom: 'key', ...(choice.weightFrom === 'budget' && { budgetWeight: choice.weight }) };
}

/**
 * Returns the ids that the request may use, or null for all.
 * @param names ids from `x-mixllm-models`, or null
 * @param among as in `ModelChoice`
 * @throws GatewayError 400 for ids that are not registered
 */
export function allowedArms(
  names: readonly string[] | null,
  among: ReadonlySet<string> | null,
  key: KeyLimits | null,
  runtime: Runtime,
): ReadonlySet<string> | null {
  const unknown = names?.filter((name) => !runtime.arms.some((arm) => arm.id === name)) ?? [];
  if (unknown.length > 0) {
    throw invalidRequest(
      `x-mixllm-models names models that are not registered: ${unknown.join(', ')}. GET /v1/models lists them.`,
      'x-mixllm-models',
      'model_not_found',
    );
  }
  const lists = [names && new Set(names), among, key?.models ?? null].filter((list) => list !== null);
  if (lists.length === 0) return null;
  return new Set([...lists[0]].filter((name) => lists.every((list) => list.has(name))));
}

export function modelNotFound(model: string): GatewayError {
  return new GatewayError(
    404,
    `The model "${model}" does not exist. GET /v1/models lists the models of this gateway.`,
    {
      param: 'model',
      code: 'model_not_found',
    },
  );
}
