import { isJsonObject } from '../domain/chat.ts';

/** The maximum number of names in a log line: for a completely new file, naming everything would say nothing. */
const MOST = 20;

/**
 * Names what differs between two configs, without the values, which may be keys.
 * @returns paths such as `models.big.price.input`; entries of lists are named by their id or name
 */
export function changedSettings(before: unknown, after: unknown): string[] {
  return differences(before, after, '');
}

/** Shortens the list for a log line. */
export function firstOf(paths: readonly string[]): readonly string[] {
  return paths.length > MOST ? [...paths.slice(0, MOST), `${paths.length - MOST} more`] : paths;
}

function differences(before: unknown, after: unknown, path: string): string[] {
  const [a, b] = [fieldsOf(before), fieldsOf(after)];
  if (!a || !b) return JSON.stringify(before) === JSON.stringify(after) ? [] : [path];
  return [...new Set([...a.keys(), ...b.keys()])].flatMap((name) => {
    const inside = path === '' ? name : `${path}.${name}`;
    // What is added or removed is named as a whole.
    if (!a.has(name) || !b.has(name)) return a.get(name) === b.get(name) ? [] : [inside];
    return differences(a.get(name), b.get(name), inside);
  });
}

/** Null for a value without named parts. */
function fieldsOf(value: unknown): Map<string, unknown> | null {
  if (isJsonObject(value)) return new Map(Object.entries(value));
  if (!Array.isArray(value)) return null;
  const names = value.map((entry) => (isJsonObject(entry) ? (entry.id ?? entry.name) : null));
  if (!names.every((name) => typeof name === 'string')) return null;
  return new Map(names.map((name, i) => [name, value[i]]));
}
