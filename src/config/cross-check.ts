import type { Config } from './schema.ts';

export interface Problem {
  path: (string | number)[];
  message: string;
}

/** What no single field tells: names that must exist, and names that must differ. */
export function crossCheck(config: Config): Problem[] {
  const problems: Problem[] = [];
  const ids = config.models.map(({ id }) => id);
  const quoted = (names: string[]) => (names.length > 0 ? names.map((name) => `"${name}"`).join(', ') : 'none');
  const unknownModel = (name: string) => `no model has the id "${name}"; there are: ${quoted(ids)}`;

  config.models.forEach((model, i) => {
    if (/^auto(:|$)/.test(model.id)) {
      problems.push({
        path: ['models', i, 'id'],
        message: 'names that begin with "auto" stand for routing; choose another',
      });
    }
    if (ids.indexOf(model.id) !== i) {
      problems.push({ path: ['models', i, 'id'], message: `"${model.id}" is there twice; ids must differ` });
    }
    if (!Object.hasOwn(config.providers, model.provider)) {
      problems.push({
        path: ['models', i, 'provider'],
        message: `no provider is called "${model.provider}"; there are: ${quoted(Object.keys(config.providers))}`,
      });
    }
    if (typeof model.prior === 'object' && 'like' in model.prior && !ids.includes(model.prior.like)) {
      problems.push({ path: ['models', i, 'prior', 'like'], message: unknownModel(model.prior.like) });
    }
  });
  const { reference } = config.routing;
  if (reference !== undefined && !ids.includes(reference)) {
    problems.push({ path: ['routing', 'reference'], message: unknownModel(reference) });
  }
  const { kind, model } = config.embedding;
  if (kind === 'transformers' && model === undefined) {
    problems.push({
      path: ['embedding', 'model'],
      message: 'it is missing; a folder with a sentence-embedding model, or its name on the Hugging Face hub',
    });
  }
  if (kind === 'lexical' && model !== undefined) {
    problems.push({ path: ['embedding', 'model'], message: 'it belongs to kind: transformers; the kind is lexical' });
  }
  config.auth.keys.forEach((key, i) => {
    if (config.auth.keys.findIndex(({ name }) => name === key.name) !== i) {
      problems.push({ path: ['auth', 'keys', i, 'name'], message: `"${key.name}" is there twice; names must differ` });
    }
    if (key.weight.min > key.weight.max) {
      problems.push({
        path: ['auth', 'keys', i, 'weight'],
        message: `min ${key.weight.min} is above max ${key.weight.max}`,
      });
    }
    key.models.forEach((name, j) => {
      if (name !== '*' && !ids.includes(name)) {
        problems.push({ path: ['auth', 'keys', i, 'models', j], message: unknownModel(name) });
      }
    });
  });
  return problems;
}

/** Settings that are accepted but that this version does not act on yet: said aloud rather than ignored. */
export function notInForce(config: Config): string[] {
  const settings = config.auth.keys.flatMap((key, i) => [
    ...(key.budget ? [`auth.keys[${i}].budget`] : []),
    ...(key.rpm ? [`auth.keys[${i}].rpm`] : []),
  ]);
  return settings.map((path) => `${path} is accepted but not in force yet in this version.`);
}
