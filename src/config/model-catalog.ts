import type { Arm } from '../domain/arm.ts';
import type { JsonObject } from '../domain/chat.ts';
import { type ModelChange, type ModelChanges, mergeModel } from '../domain/model-changes.ts';
import { plainWords } from '../util/plain-words.ts';
import { enabledArms } from './arms.ts';
import { checkModel } from './cross-check.ts';
import type { LoadedConfig } from './load.ts';
import { type ModelConfig, modelSchema } from './schema.ts';

/** One model as it results from the config file and the admins' changes. */
export interface CatalogEntry {
  id: string;
  /** Where it comes from: the config file, or an admin alone. */
  source: 'config' | 'admin';
  /** `off`: its provider has no key. `refused`: no entry is usable; `problems` says why. */
  state: 'active' | 'off' | 'retired' | 'refused';
  /** In the form of an entry of the config's `models`, with defaults filled in; null when no entry is usable. */
  model: ModelConfig | null;
  /** What admins set; null when they changed nothing. */
  changed: JsonObject | null;
  /** Why some of the changes cannot be used; the others take effect. */
  problems: ModelProblem[];
}

export interface ModelProblem {
  param: string | null;
  message: string;
  /** Fields of the change that are left out because of this. */
  leftOut: readonly string[];
}

/** A model's upstream and its price. Applying only some of them would produce a model that nobody has entered. */
const UPSTREAM_FIELDS = ['provider', 'model', 'price'];

type Checked = Pick<CatalogEntry, 'model' | 'problems'>;

/** Applies the admins' changes to the config file's models, field by field, in the order of the file. */
export function modelCatalog({ config, missingKeys }: LoadedConfig, changes: ModelChanges): CatalogEntry[] {
  const base = new Map(config.models.map((model) => [model.id, model]));
  const ids = [...new Set([...base.keys(), ...changes.keys()])];
  const providers = Object.keys(config.providers);

  const check = (settings: JsonObject) => {
    const parsed = modelSchema.safeParse(settings);
    const [issue] = parsed.success ? checkModel(parsed.data, ids, providers) : parsed.error.issues;
    if (!issue) return { model: parsed.data ?? null, problem: null, unknown: [] };
    // For unknown fields, the issue contains their names, but its path does not.
    const unknown = 'keys' in issue && issue.path.length === 0 ? issue.keys.map(String) : [];
    const param = issue.path.join('.') || unknown[0] || null;
    return { model: null, problem: { param, message: plainWords(issue.message) }, unknown };
  };

  /** Leaves out changes that no longer fit because the file has changed in the meantime. */
  const changed = (own: ModelConfig | null, id: string, settings: JsonObject): Checked => {
    const { model, problem, unknown } = check({ ...mergeModel(own, settings), id });
    if (!problem) return { model, problems: [] };
    const field = problem.param?.split('.')[0] ?? '';
    const faulty = UPSTREAM_FIELDS.includes(field) ? UPSTREAM_FIELDS : [field, ...unknown];
    const leftOut = faulty.filter((name) => Object.hasOwn(settings, name));
    if (leftOut.length === 0) return { model: own, problems: [{ ...problem, leftOut }] };
    const fitting = Object.fromEntries(Object.entries(settings).filter(([name]) => !leftOut.includes(name)));
    const rest = changed(own, id, fitting);
    return { model: rest.model, problems: [{ ...problem, leftOut }, ...rest.problems] };
  };

  return ids.map((id) => {
    const own = base.get(id) ?? null;
    const change: ModelChange | undefined = changes.get(id);
    const { model, problems } = change ? changed(own, id, change.settings) : { model: own, problems: [] };
    const state = change?.retired
      ? 'retired'
      : model === null
        ? 'refused'
        : missingKeys.has(model.provider)
          ? 'off'
          : 'active';
    return {
      id,
      source: own ? 'config' : 'admin',
      state,
      model,
      changed: change?.settings ?? null,
      problems,
    };
  });
}

/** The config with the models that can take effect. Models that are off remain in it, as in the file. */
export function withCatalog(loaded: LoadedConfig, catalog: readonly CatalogEntry[]): LoadedConfig {
  const models = catalog.flatMap(({ state, model }) => (model && state !== 'retired' ? [model] : []));
  return { ...loaded, config: { ...loaded.config, models } };
}

/**
 * The models of the file and of admins, including those that are retired, or off because they lack a key: what is
 * learned about all models together still depends on their ratings, and others may be likened to them.
 */
export function knownArms(loaded: LoadedConfig, changes: ModelChanges): Arm[] {
  const withKeys = { ...loaded, missingKeys: new Map<string, string>() };
  const catalog = modelCatalog(withKeys, changes).map((entry) => ({ ...entry, state: 'active' as const }));
  return enabledArms(withCatalog(withKeys, catalog));
}
