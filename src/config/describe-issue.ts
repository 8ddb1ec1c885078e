import type { z } from 'zod';
import { configSchema } from './schema.ts';
import { knownSettings } from './schema-inside.ts';
import type { MissingVariable } from './variables.ts';
import type { Path } from './yaml-file.ts';

/** @param schema that the issue is with, for the settings that it knows */
export function describeIssue(
  issue: z.core.$ZodIssue,
  value: unknown,
  where: (path: Path) => string,
  missing: readonly MissingVariable[] = [],
  schema: unknown = configSchema,
): string {
  const path = issue.path as Path;
  const unset = missing.find((candidate) => candidate.path.join('.') === path.join('.'));
  if (unset) return `${where(path)}: the environment variable ${unset.variable} is not set`;
  if (issue.code === 'unrecognized_keys') {
    return issue.keys
      .map((key) => `${where([...path, key])}: there is no such setting${knownSettings(path, schema)}`)
      .join('\n  - ');
  }
  const found = path.reduce<unknown>((current, part) => (current as Record<string | number, unknown>)?.[part], value);
  return `${where(path)}: ${shown(found, path, issue)}; ${right(issue)}`;
}

const STRUCTURES = ['object', 'record', 'array'];

/** What was found, unless it is or may hold a key: where keys live, a mistake in the structure puts them anywhere. */
function shown(found: unknown, path: Path, issue: z.core.$ZodIssue): string {
  if (found === undefined) return 'it is missing';
  const nearKeys = path.length === 0 || path[0] === 'auth' || path[0] === 'providers';
  if (nearKeys && Array.isArray(found)) return 'found a list';
  if (nearKeys && typeof found === 'object' && found !== null) return 'found a mapping';
  const structureExpected = issue.code === 'invalid_type' && STRUCTURES.includes(issue.expected);
  const isKey = path.some((part) => part === 'key' || part === 'api_key');
  if (isKey || (nearKeys && typeof found === 'string' && structureExpected)) return 'its value is not shown';
  return `found ${withoutCredentials(asJson(found))}`;
}

/** URLs may hold user and password, and keys in their query. @param json whose strings may be URLs */
function withoutCredentials(json: string): string {
  return (
    json
      // Which of the two it is, nobody knows.
      .replace(/\/\/[^?]*\?[^@]*@(\\.|[^"\\])*/g, '//…')
      .replace(/\/\/.*@/, '//…@')
      .replace(/\?(\\.|[^"\\])+/g, '?…')
  );
}

function asJson(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    // By an alias a mapping or a list can hold itself.
    return Array.isArray(value) ? 'a list that holds itself' : 'a mapping that holds itself';
  }
}

function right(issue: z.core.$ZodIssue): string {
  // The schema says it of each of its unions.
  if (issue.code === 'invalid_union') return issue.message;
  if (issue.code === 'invalid_key') return `as a name, ${right(issue.issues[0])}`;
  return issue.message.replace(/^Invalid (input|option|string|URL): /, '').replace(/, received .*$/, '');
}
