import type { z } from 'zod';
import { plainWords } from '../util/plain-words.ts';
import { configSchema } from './schema.ts';
import { knownSettings } from './schema-inside.ts';
import type { MissingVariable } from './variables.ts';
import type { Path } from './yaml-file.ts';

/**
 * Says where the issue is, what was found there and what is expected.
 * @param schema the schema that reported the issue, used to list the settings that it knows
 */
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
      .map((key) => `${where([...path, nameShown(key)])}: there is no such setting${knownSettings(path, schema)}`)
      .join('\n  - ');
  }
  if (issue.code === 'invalid_key' && mayBeSecret(path)) {
    return `${where(path.slice(0, -1))}: a name in it is not shown; ${right(issue)}`;
  }
  const found = path.reduce<unknown>((current, part) => (current as Record<string | number, unknown>)?.[part], value);
  return `${where(path)}: ${shown(found, path, issue)}; ${right(issue)}`;
}

const HIDDEN = '…';
/** A variable, which is still a mark here. */
const MARKED = /\uE000\d+\uE001/g;

/** Without a space after its colon, `api_key:SECRET` is the name of a setting. */
function nameShown(name: string): string {
  return /^[A-Za-z_]*$/.test(name.replace(MARKED, '')) ? name : HIDDEN;
}

/** Whether the name itself may hold a secret: of a provider, or of one of its headers. */
function mayBeSecret(path: Path): boolean {
  return path[0] === 'providers' && !/^[\w.-]+$/.test(String(path.at(-1)));
}

const STRUCTURES = ['object', 'record', 'array'];

/** What was found, unless it is or may contain a key: near keys, a mistake in the structure may put a key anywhere. */
function shown(found: unknown, path: Path, issue: z.core.$ZodIssue): string {
  if (found === undefined) return 'it is missing';
  const nearKeys = path.length === 0 || path[0] === 'auth' || path[0] === 'providers';
  if (nearKeys && Array.isArray(found)) return 'found a list';
  if (nearKeys && typeof found === 'object' && found !== null) return 'found a mapping';
  const structureExpected = issue.code === 'invalid_type' && STRUCTURES.includes(issue.expected);
  const isKey = path.some((part) => part === 'key' || part === 'api_key' || part === 'headers');
  if (isKey || (nearKeys && typeof found === 'string' && structureExpected)) return 'its value is not shown';
  return `found ${withoutCredentials(asJson(found))}`;
}

/**
 * Removes secrets from URLs: the user name and password, and keys in the query.
 * @param json JSON whose strings may be URLs
 */
function withoutCredentials(json: string): string {
  return (
    json
      // It is impossible to tell whether this `?` belongs to a password or begins the query.
      .replace(/\/\/[^?]*\?[^@]*@(\\.|[^"\\])*/g, '//…')
      .replace(/\/\/.*@/, '//…@')
      .replace(/\?(\\.|[^"\\])+/g, '?…')
  );
}

function asJson(value: unknown): string {
  if (typeof value === 'number') return String(value);
  try {
    return JSON.stringify(value);
  } catch {
    // A YAML alias can make a mapping or a list contain itself.
    return Array.isArray(value) ? 'a list that contains itself' : 'a mapping that contains itself';
  }
}

function right(issue: z.core.$ZodIssue): string {
  // The schema defines a message for each of its unions.
  if (issue.code === 'invalid_union') return issue.message;
  if (issue.code === 'invalid_key') return `its name: ${right(issue.issues[0])}`;
  return plainWords(issue.message);
}
