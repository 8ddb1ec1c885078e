import { numericWeight, standsForRouting, weightIn } from '../domain/auto-model.ts';
import type { Config, ModelConfig } from './schema.ts';

export interface Problem {
  path: (string | number)[];
  message: string;
}

/** Checks what no single field shows: names that must exist, and names that must differ. */
export function crossCheck(config: Config): Problem[] {
  const problems: Problem[] = [];
  const ids = config.models.map(({ id }) => id);

  config.models.forEach((model, i) => {
    if (ids.indexOf(model.id) !== i) {
      problems.push({ path: ['models', i, 'id'], message: `"${model.id}" appears twice; ids must be unique` });
    }
    for (const { path, message } of checkModel(model, ids, Object.keys(config.providers))) {
      problems.push({ path: ['models', i, ...path], message });
    }
  });
  const everyPage = config.server.cors_origins.indexOf('*');
  if (everyPage >= 0 && config.auth.keys.length === 0) {
    problems.push({
      path: ['server', 'cors_origins', everyPage],
      message: 'without auth.keys, any page open in a browser here could spend money; name the origins, or set keys',
    });
  }
  const { reference } = config.routing;
  if (reference !== undefined && !ids.includes(reference)) {
    problems.push({ path: ['routing', 'reference'], message: unknownModel(reference, ids) });
  }
  problems.push(...checkProviders(config), ...checkAliases(config, ids));
  const { kind, model } = config.embedding;
  if (kind === 'transformers' && model === undefined) {
    problems.push({
      path: ['embedding', 'model'],
      message: 'it is missing; name a folder with a sentence-embedding model, or a model on the Hugging Face hub',
    });
  }
  if (kind === 'lexical' && model !== undefined) {
    problems.push({ path: ['embedding', 'model'], message: 'it needs kind: transformers; the kind is lexical' });
  }
  problems.push(...checkKeys(config.auth.keys, ids));
  return problems;
}

/** A URL that ends in the route gets it twice: `base_url` is what clients of the server are given. */
function checkProviders({ providers }: Config): Problem[] {
  const problems: Problem[] = [];
  for (const [name, provider] of Object.entries(providers)) {
    const { api_key, base_url, headers = {} } = provider;
    const route = /\/(chat\/completions|messages)\/?$/.exec(base_url ? new URL(base_url).pathname : '')?.[0];
    if (route) problems.push({ path: ['providers', name, 'base_url'], message: `leave out "${route}" at its end` });
    // Accepted, it would do nothing without a word.
    if (provider.type === 'openai' && provider.cache_conversations) {
      problems.push({ path: ['providers', name, 'cache_conversations'], message: 'it needs type: anthropic' });
    }
    if (provider.type === 'anthropic' && !provider.stream_usage) {
      problems.push({ path: ['providers', name, 'stream_usage'], message: 'it needs type: openai' });
    }
    problems.push(...literalVariable(['providers', name, 'api_key'], api_key));
    for (const [header, value] of Object.entries(headers)) {
      problems.push(...literalVariable(['providers', name, 'headers', header], value));
    }
  }
  return problems;
}

/** LiteLLM's form of a variable. As a key of the gateway it would be one that anybody can guess. */
function literalVariable(path: Problem['path'], value = ''): Problem[] {
  if (!/\bos\.environ\//.test(value)) return [];
  return [{ path, message: `a variable is written \${NAME}; os.environ/NAME would itself be the value` }];
}

function checkKeys(keys: Config['auth']['keys'], ids: string[]): Problem[] {
  const problems: Problem[] = [];
  keys.forEach((key, i) => {
    if (keys.findIndex(({ name }) => name === key.name) !== i) {
      problems.push({
        path: ['auth', 'keys', i, 'name'],
        message: `"${key.name}" appears twice; names must be unique`,
      });
    }
    problems.push(...literalVariable(['auth', 'keys', i, 'key'], key.key));
    // With two names for one key, the client's name would depend on the order in the file. The message does not show
    // the key.
    if (keys.findIndex((other) => other.key === key.key) !== i) {
      problems.push({
        path: ['auth', 'keys', i, 'key'],
        message: 'another name has the same key; keys must be unique',
      });
    }
    if (key.weight.min > key.weight.max) {
      problems.push({
        path: ['auth', 'keys', i, 'weight'],
        message: `min ${key.weight.min} is above max ${key.weight.max}`,
      });
    }
    key.models.forEach((name, j) => {
      if (name !== '*' && !ids.includes(name)) {
        problems.push({ path: ['auth', 'keys', i, 'models', j], message: unknownModel(name, ids) });
      }
    });
  });
  return problems;
}

/** An alias stands for routing or for a model, and must not have the name of either. */
function checkAliases({ routing }: Config, ids: string[]): Problem[] {
  const problems: Problem[] = [];
  for (const [alias, entry] of Object.entries(routing.aliases)) {
    const path = ['routing', 'aliases', alias];
    if (standsForRouting(alias) || ids.includes(alias)) {
      problems.push({ path, message: `"${alias}" is already taken; an alias needs a name of its own` });
    }
    if (alias.includes('*') && alias !== '*') {
      problems.push({ path, message: 'only "*" alone stands for other names: write each name out' });
    }
    const { model: target, models } = typeof entry === 'string' ? { model: entry, models: [] } : entry;
    models.forEach((name, i) => {
      if (!ids.includes(name)) problems.push({ path: [...path, 'models', i], message: unknownModel(name, ids) });
    });
    if (models.length > 0 && !standsForRouting(target)) {
      const message = `with "models" it must be "auto" or a weight such as "auto:0.7": routing chooses among them`;
      problems.push({ path: [...path, 'model'], message });
      continue;
    }
    const isKnown = standsForRouting(target) ? isWeight(weightIn(target), routing.weights) : ids.includes(target);
    if (!isKnown) {
      const weights = Object.keys(routing.weights).map((name) => `auto:${name}`);
      const message = `"${target}" is neither "auto", a weight such as "auto:0.7", nor one of ${quoted([...weights, ...ids])}`;
      problems.push({ path, message });
    }
  }
  return problems;
}

/** @param text the part after `auto:`, or null for plain `auto` */
function isWeight(text: string | null, named: Config['routing']['weights']): boolean {
  if (text === null || Object.hasOwn(named, text)) return true;
  const weight = numericWeight(text);
  return weight >= 0 && weight <= 1;
}

/**
 * Checks one model in the context of the others.
 * @param ids ids of all models
 * @param providers names of all providers
 */
export function checkModel(model: ModelConfig, ids: string[], providers: string[]): Problem[] {
  const problems: Problem[] = [];
  if (standsForRouting(model.id)) {
    problems.push({
      path: ['id'],
      message: '"auto" and names that begin with "auto:" are reserved for routing; choose another',
    });
  }
  if (!providers.includes(model.provider)) {
    const message = `no provider is called "${model.provider}"; known: ${quoted(providers)}`;
    problems.push({ path: ['provider'], message });
  }
  if (typeof model.prior === 'object' && 'like' in model.prior) {
    const { like } = model.prior;
    const message = like === model.id ? 'it must name another model' : unknownModel(like, ids);
    if (like === model.id || !ids.includes(like)) problems.push({ path: ['prior', 'like'], message });
  }
  return problems;
}

function unknownModel(name: string, ids: string[]): string {
  return `no model has the id "${name}"; known: ${quoted(ids)}`;
}

function quoted(names: string[]): string {
  return names.length > 0 ? names.map((name) => `"${name}"`).join(', ') : 'none';
}
