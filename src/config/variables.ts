import { type Document, visit } from 'yaml';
import type { z } from 'zod';
import { type Path, pathOf } from './yaml-file.ts';

export type Environment = Record<string, string | undefined>;

export interface MissingVariable {
  path: Path;
  variable: string;
}

export interface Variable {
  name: string;
  fallback: string | undefined;
}

const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}\n]*))?\}/g;
/** Two characters of Unicode's private use area, which no config has a reason to contain. */
const MARK = /\uE000(\d+)\uE001/g;

/**
 * Replaces every `${NAME}` and `${NAME:-default}` by a mark, because their braces would end a flow mapping such as `{
 * api_key: ${KEY} }`. The values are filled in after parsing, so that no value can change the structure.
 */
export function markVariables(text: string): { safeText: string; variables: Variable[] } {
  const variables: Variable[] = [];
  const safeText = text.replace(VARIABLE, (_, name: string, fallback: string | undefined) => {
    variables.push({ name, fallback });
    return `\uE000${variables.length - 1}\uE001`;
  });
  return { safeText, variables };
}

/** The text with each mark replaced by its `${NAME}`. */
export function unmarked(text: string, variables: readonly Variable[]): string {
  return text.replace(MARK, (mark, index: string) => {
    const variable = variables[Number(index)];
    return variable ? `\${${variable.name}}` : mark;
  });
}

export const VARIABLE_FORM = `a variable is written \${NAME} or \${NAME:-default}: letters, digits and _ in its name, and no variable inside another`;

/**
 * Finds variables that are written in an unsupported form. Left as it is, `${TEAM-KEY}` would itself become the key,
 * and it is not secret.
 */
export function unreadVariables(document: Document, variables: readonly Variable[]): Path[] {
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

export const ONLY_IN_VALUES = 'a variable is filled in only in values: write the name itself';

/** Finds names that contain a variable. Where any name is allowed, one like `${NAME}` would match nothing. */
export function variablesInNames(document: Document): Path[] {
  const paths: Path[] = [];
  visit(document, {
    Scalar(key, node, ancestors) {
      const isName = key === 'key' && typeof node.value === 'string';
      if (isName && /\uE000\d+\uE001|\$\{/.test(node.value as string)) paths.push(pathOf(key, ancestors));
    },
  });
  return paths;
}

/**
 * Replaces the marks by the variables' values.
 * @returns `missing`: where a variable without a default is unset or empty; its text is then empty. `filled`: where
 * there were marks.
 */
export function fillEnvironment(
  document: Document,
  variables: readonly Variable[],
  environment: Environment,
): { missing: MissingVariable[]; filled: Path[] } {
  const missing: MissingVariable[] = [];
  const filled: Path[] = [];
  visit(document, {
    Scalar(key, node, ancestors) {
      if (key === 'key' || typeof node.value !== 'string') return;
      const text = node.value.replace(MARK, (mark, index: string) => {
        const variable = variables[Number(index)];
        if (!variable) return mark;
        const { name, fallback } = variable;
        const found = environment[name] || fallback;
        if (found === undefined) missing.push({ path: pathOf(key, ancestors), variable: name });
        return found ?? '';
      });
      if (text !== node.value) filled.push(pathOf(key, ancestors));
      node.value = text;
    },
  });
  return { missing, filled };
}

/** Matches shares and prices too, as YAML may write them. No setting takes a negative number, and 1e3 is not a port. */
const NUMBER = /^(\d+(\.\d+)?|\.\d+)(e-\d+)?$/i;

/**
 * Environment variables are text. Where the schema expects something else, the text is converted to the number or
 * boolean that it spells; a key made only of digits stays text.
 * @param issues the issues that the schema has with the values
 * @returns the values, changed where they were filled in and there is an issue
 */
export function typedVariables(values: unknown, filled: readonly Path[], issues: readonly z.core.$ZodIssue[]): unknown {
  const typed = structuredClone(values);
  const isWrong = (path: Path) =>
    issues.some((issue) => wantsOther(issue) && issue.path.every((part, i) => part === path[i]));
  for (const path of filled.filter(isWrong)) {
    const parent = path.slice(0, -1).reduce<unknown>((value, part) => (value as JsonLike)?.[part], typed) as JsonLike;
    const last = path[path.length - 1];
    if (typeof parent?.[last] === 'string') parent[last] = typedText(parent[last]);
  }
  return typed;
}

/**
 * True when the schema expects a number or a boolean, or is a union, which reports its issue as a whole. Not when it
 * expects a mapping: a key made of digits may be there, and as a number it would be shown in the error message.
 */
function wantsOther(issue: z.core.$ZodIssue): boolean {
  if (issue.code === 'invalid_union') return true;
  return issue.code === 'invalid_type' && (issue.expected === 'number' || issue.expected === 'boolean');
}

type JsonLike = Record<string | number, unknown> | undefined;

function typedText(text: string): unknown {
  if (NUMBER.test(text)) return Number(text);
  return text === 'true' || text === 'false' ? text === 'true' : text;
}
