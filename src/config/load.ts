import { readFileSync } from 'node:fs';
import { type Document, isAlias, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import type { z } from 'zod';
import { crossCheck, type Problem } from './cross-check.ts';
import { type Config, configSchema } from './schema.ts';

export type Environment = Record<string, string | undefined>;
type Path = (string | number)[];

/** A config that cannot be used. Its message names, per problem, the place in the file, what was there and what is right. */
export class ConfigError extends Error {
  constructor(source: string, problems: readonly string[]) {
    super(`${source} cannot be used:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

export interface LoadedConfig {
  config: Config;
  /** Providers without a key, with what to set: the environment variable, or the setting itself. */
  missingKeys: ReadonlyMap<string, string>;
}

/** @throws ConfigError also when the file cannot be read */
export function loadConfig(path: string, environment: Environment): LoadedConfig {
  return parseConfig(readText(path), path, environment);
}

/** @throws ConfigError that says why the file cannot be read */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(path, [`it cannot be read: ${(error as Error).message}`]);
  }
}

/** Pure but for its arguments. @param source name of the file, for messages @throws ConfigError */
export function parseConfig(text: string, source: string, environment: Environment): LoadedConfig {
  const lines = new LineCounter();
  const { safeText, variables } = markVariables(text);
  const refuse = (problems: readonly string[]) =>
    new ConfigError(
      source,
      problems.map((problem) => unmarked(problem, variables)),
    );
  // 'error': a warning would go to the console, and quotes what may be a key.
  const document = parseDocument(safeText, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  if (document.errors.length > 0) {
    // The first mistake in YAML causes the rest.
    const [{ pos, message }] = document.errors;
    throw refuse([`line ${lines.linePos(pos[0]).line}: ${withoutQuote(message)}`]);
  }
  refuseOddKeys(
    document,
    (line) => refuse([`line ${line}: a mapping stands where a name should; are there two braces?`]),
    lines,
  );
  const where = (path: Path) => place(document, lines, path);
  const unread = unreadVariables(document, variables).map((path) => ({ path, message: VARIABLE_FORM }));
  const told = ({ path, message }: Problem) => `${where(path)}: ${message}`;
  const missing = fillEnvironment(document, variables, environment);
  let value: unknown;
  try {
    value = withoutEmptySections(document.toJS() ?? {});
  } catch (error) {
    throw refuse([`an alias (*name) in it cannot be used: ${withoutQuote((error as Error).message)}`]);
  }
  const parsed = configSchema.safeParse(value);
  if (!parsed.success) {
    const wrong = parsed.error.issues.map((issue) => describe(issue, value, where, missing));
    throw refuse([...unread.map(told), ...wrong]);
  }
  const missingKeys = new Map<string, string>();
  const problems: Problem[] = [...unread, ...crossCheck(parsed.data)];
  for (const { path, variable } of missing) {
    if (path[0] === 'providers' && path[2] === 'api_key') missingKeys.set(String(path[1]), variable);
    else problems.push({ path, message: `the environment variable ${variable} is not set` });
  }
  for (const [name, { api_key, base_url }] of Object.entries(parsed.data.providers)) {
    // Only a server of one's own may ask for no key.
    if (!api_key && !base_url && !missingKeys.has(name)) missingKeys.set(name, `providers.${name}.api_key`);
  }
  if (problems.length > 0) throw refuse(problems.map(told));
  return { config: parsed.data, missingKeys };
}

/** A section whose lines are all commented out is null in YAML: it says no more than one that is absent. */
function withoutEmptySections(value: unknown): unknown {
  if (!isMapping(value)) return value;
  const sections = Object.entries(value).filter(([, section]) => section !== null);
  return Object.fromEntries(
    sections.map(([name, section]) => {
      const list = { auth: 'keys', routing: 'targets' }[name];
      if (!list || !isMapping(section) || section[list] !== null) return [name, section];
      const { [list]: _, ...rest } = section;
      return [name, rest];
    }),
  );
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `{{ … }}`, say of a template that was not filled in, is a mapping as the name of a setting. */
function refuseOddKeys(document: Document, refusal: (line: number) => Error, lines: LineCounter): void {
  visit(document, {
    Pair(_, pair) {
      if (isScalar(pair.key) || isAlias(pair.key) || !isNode(pair.key)) return;
      throw refusal(lines.linePos(pair.key.range?.[0] ?? 0).line);
    },
  });
}

interface MissingVariable {
  path: Path;
  variable: string;
}

interface Variable {
  name: string;
  fallback: string | undefined;
}

const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}\n]*))?\}/g;
/** Two characters of Unicode's private use, which no config has reason to hold. */
const MARK = /\uE000(\d+)\uE001/g;

/**
 * Puts a mark in the place of every `${NAME}` and `${NAME:-default}`: braces would end the flow mapping in
 * `{ api_key: ${KEY} }`. The values come in after parsing, so that no value can change the structure.
 */
function markVariables(text: string): { safeText: string; variables: Variable[] } {
  const variables: Variable[] = [];
  const safeText = text.replace(VARIABLE, (_, name: string, fallback: string | undefined) => {
    variables.push({ name, fallback });
    return `\uE000${variables.length - 1}\uE001`;
  });
  return { safeText, variables };
}

/** The text with the marks as they stand in the file. */
function unmarked(text: string, variables: readonly Variable[]): string {
  return text.replace(MARK, (mark, index: string) => {
    const variable = variables[Number(index)];
    return variable ? `\${${variable.name}}` : mark;
  });
}

/** What the YAML parser says of a mistake, without the piece of the file that it quotes: that may be a key. */
export function withoutQuote(message: string): string {
  return message.split(': ')[0].replace(/[!%]\S+/g, '…');
}

const VARIABLE_FORM = `a variable is written \${NAME} or \${NAME:-default}: letters, digits and _ in its name, and none within another`;

/** Where a variable is written otherwise. Left as it stands, `${TEAM-KEY}` would itself be the key, and is no secret. */
function unreadVariables(document: Document, variables: readonly Variable[]): Path[] {
  const paths: Path[] = [];
  const text = (value: string) => value.replace(MARK, (_, index: string) => variables[Number(index)]?.fallback ?? '');
  visit(document, {
    Scalar(key, node, ancestors) {
      const isValue = key !== 'key' && typeof node.value === 'string';
      if (isValue && text(node.value as string).includes('${')) paths.push(pathOf(key, ancestors));
    },
  });
  return paths;
}

/** Fills the marks. @returns where a variable without a default is not set, or empty; its text is then empty */
function fillEnvironment(
  document: Document,
  variables: readonly Variable[],
  environment: Environment,
): MissingVariable[] {
  const missing: MissingVariable[] = [];
  visit(document, {
    Scalar(key, node, ancestors) {
      if (key === 'key' || typeof node.value !== 'string') return;
      node.value = node.value.replace(MARK, (mark, index: string) => {
        const variable = variables[Number(index)];
        if (!variable) return mark;
        const { name, fallback } = variable;
        const found = environment[name] || fallback;
        if (found === undefined) missing.push({ path: pathOf(key, ancestors), variable: name });
        return found ?? '';
      });
    },
  });
  return missing;
}

/** The path of a node from what `visit` tells of the way to it. */
function pathOf(key: number | 'key' | 'value' | null, ancestors: readonly unknown[]): Path {
  const path: Path = [];
  ancestors.forEach((ancestor, i) => {
    const next = ancestors[i + 1];
    if (isPair(ancestor)) path.push(isScalar(ancestor.key) ? String(ancestor.key.value) : String(ancestor.key));
    else if (isSeq(ancestor)) path.push(next === undefined ? Number(key) : ancestor.items.indexOf(next));
  });
  return path;
}

/** `models[1].price.input (line 12)`; the line of the nearest parent where the path itself is absent. */
export function place(document: Document, lines: LineCounter, path: Path): string {
  const name = path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    '',
  );
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return `${name} (line ${lines.linePos(node.range[0]).line})`;
  }
  return name || 'the file';
}

/** @param schema that the issue is with, for the settings that it knows */
export function describe(
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
      .map((key) => `${where([...path, key])}: there is no such setting${knownKeys(path, schema)}`)
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
  return `found ${asJson(found).replace(/\/\/.*@/, '//…@')}`;
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

/** The settings that are known at a path of the schema, as a hint for a misspelt one. */
function knownKeys(path: Path, root: unknown): string {
  let schema = root;
  for (const part of path) {
    const inner = unwrapped(schema);
    schema = inner.shape?.[part] ?? inner.element ?? inner.valueType;
  }
  const inner = unwrapped(schema);
  // `off`, or a mapping.
  const { shape } = inner.options?.map(unwrapped).find((option) => option.shape) ?? inner;
  return shape ? `; known here: ${Object.keys(shape).join(', ')}` : '';
}

interface SchemaInside {
  shape?: Record<string | number, unknown>;
  element?: unknown;
  valueType?: unknown;
  options?: readonly unknown[];
  def?: { innerType?: unknown };
}

function unwrapped(schema: unknown): SchemaInside {
  let current = (schema ?? {}) as SchemaInside;
  while (current.def?.innerType) current = current.def.innerType as SchemaInside;
  return current;
}
