import { isJsonObject } from '../domain/chat.ts';

/** A line names no more than so many; a file that is all new says nothing by naming everything. */
const MOST = 20;

/**
 * Names what differs between two configs, without values: those may be keys.
 * @returns paths such as `models.big.price.input`; entries of lists are named by their id or name
 */
export function changedSettings(before: unknown, after: unknown): string[] {
  return differences(before, after, '');
}

/** For a line of the log. */
export function firstOf(paths: readonly string[]): readonly string[] {
  return paths.length > MOST ? [...paths.slice(0, MOST), `${paths.length - MOST} more`] : paths;
}

function differences(before: unknown, after: unknown, path: string): string[] {
  const [a, b] = [fieldsOf(before), fieldsOf(after)];
  if (!a || !b) return JSON.stringify(before) === JSON.stringify(after) ? [] : [path];
  return [...new Set([...a.keys(), ...b.keys()])].flatMap((name) => {
    const inside = path === '' ? name : `${path}.${name}`;
    // What comes or goes is named as a whole.
    if (!a.has(name) || !b.has(name)) return a.get(name) === b.get(name) ? [] : [inside];
    return differences(a.get(name), b.get(name), inside);
  });
}

/** Null for what has no parts with names. */
function fieldsOf(value: unknown): Map<string, unknown> | null {
  if (isJsonObject(value)) return new Map(Object.entries(value));
  if (!Array.isArray(value)) return null;
  const names = value.map((entry) => (isJsonObject(entry) ? (entry.id ?? entry.name) : null));
  if (!names.every((name) => typeof name === 'string')) return null;
  return new Map(names.map((name, i) => [name, value[i]]));
}
