import { isJsonObject, type JsonObject } from './chat.ts';
import type { ModelChangeEvent } from './events.ts';

/** What admins made of one model, over what the config file says of it. */
export interface ModelChange {
  retired: boolean;
  /** Fields of an entry of the config's `models`; they go before the file's. */
  settings: JsonObject;
}

/** By model id, in the order in which they were first changed. */
export type ModelChanges = ReadonlyMap<string, ModelChange>;

/** The changes after one more event. Pure, so that the log says the same to everyone who reads it. */
export function changedBy(changes: ModelChanges, event: ModelChangeEvent): ModelChanges {
  const before = changes.get(event.model) ?? { retired: false, settings: {} };
  const next = new Map(changes);
  if (event.type === 'model_retired') next.set(event.model, { ...before, retired: true });
  if (event.type === 'model_set') {
    const settings = event.added ? event.settings : mergeModel(before.settings, event.settings);
    // Nothing is left that differs from the config file.
    const removed = !event.added && !before.retired && Object.keys(settings).length === 0;
    if (removed) next.delete(event.model);
    else next.set(event.model, { retired: event.added ? false : before.retired, settings });
  }
  return next;
}

/**
 * An entry of the config's `models` with a patch over it: a JSON merge patch, but for `prior`, whose forms exclude each
 * other and would be merged into none of them.
 */
export function mergeModel(target: unknown, { prior, ...others }: JsonObject): JsonObject {
  const merged = mergePatch(target, prior === undefined ? others : { ...others, prior: null });
  if (prior === undefined || prior === null) return merged;
  return { ...merged, prior: isJsonObject(prior) ? mergePatch(null, prior) : prior };
}

/** JSON Merge Patch (RFC 7396): objects are merged member by member, null removes a member, all else replaces. */
export function mergePatch(target: unknown, patch: JsonObject): JsonObject {
  // Entries, not assignments: a member called __proto__ must be one like any other.
  const merged = new Map(isJsonObject(target) ? Object.entries(target) : []);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else merged.set(name, isJsonObject(value) ? mergePatch(merged.get(name), value) : value);
  }
  return Object.fromEntries(merged);
}
