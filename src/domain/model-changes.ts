import { isJsonObject, type JsonObject } from './chat.ts';
import type { ModelChangeEvent } from './events.ts';

/** What admins changed about one model, on top of the config file. */
export interface ModelChange {
  retired: boolean;
  /** Fields of an entry of the config's `models`; they override the file's. */
  settings: JsonObject;
}

/** By model id, in the order of each model's first change. */
export type ModelChanges = ReadonlyMap<string, ModelChange>;

/** The changes after one more event. Pure, so that everyone who reads the log arrives at the same result. */
export function changedBy(changes: ModelChanges, event: ModelChangeEvent): ModelChanges {
  const before = changes.get(event.model) ?? { retired: false, settings: {} };
  const next = new Map(changes);
  if (event.type === 'model_retired') next.set(event.model, { ...before, retired: true });
  if (event.type === 'model_set') {
    const settings = event.added ? event.settings : withoutEmpty(mergeModel(before.settings, event.settings));
    // Nothing differs from the config file any more.
    const removed = !event.added && !before.retired && Object.keys(settings).length === 0;
    if (removed) next.delete(event.model);
    else next.set(event.model, { retired: event.added ? false : before.retired, settings });
  }
  return next;
}

/** Drops empty objects: an object is empty once all its members were reverted, and then changes nothing. */
function withoutEmpty(settings: JsonObject): JsonObject {
  const isEmpty = (value: unknown) => isJsonObject(value) && Object.keys(value).length === 0;
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => !isEmpty(value)));
}

/**
 * Applies a patch to an entry of the config's `models`. It is a JSON merge patch, except for `prior`: its forms exclude
 * each other, so a merge of two would be valid as neither.
 */
export function mergeModel(target: unknown, { prior, ...others }: JsonObject): JsonObject {
  const merged = mergePatch(target, prior === undefined ? others : { ...others, prior: null });
  if (prior === undefined || prior === null) return merged;
  return { ...merged, prior: isJsonObject(prior) ? mergePatch(null, prior) : prior };
}

/**
 * JSON Merge Patch (RFC 7396): objects are merged member by member, null removes a member, anything else replaces.
 */
export function mergePatch(target: unknown, patch: JsonObject): JsonObject {
  // Uses entries rather than assignments, because a member called __proto__ must be treated like any other.
  const merged = new Map(isJsonObject(target) ? Object.entries(target) : []);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else merged.set(name, isJsonObject(value) ? mergePatch(merged.get(name), value) : value);
  }
  return Object.fromEntries(merged);
}
