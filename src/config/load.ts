import { ConfigError } from './config-error.ts';
import { crossCheck, type Problem } from './cross-check.ts';
import { describeIssue } from './describe-issue.ts';
import { type Config, configSchema } from './schema.ts';
import { withoutEmptySections } from './schema-inside.ts';
import {
  type Environment,
  fillEnvironment,
  type MissingVariable,
  markVariables,
  ONLY_IN_VALUES,
  typedVariables,
  unmarked,
  unreadVariables,
  VARIABLE_FORM,
  variablesInNames,
} from './variables.ts';
import { type Path, parseYaml, place, readText, valuesIn } from './yaml-file.ts';

export interface LoadedConfig {
  config: Config;
  /** Providers without a key, each with what must be set: the environment variable, or the setting itself. */
  missingKeys: ReadonlyMap<string, string>;
}

/** @throws ConfigError for an invalid file, or one that cannot be read */
export function loadConfig(path: string, environment: Environment): LoadedConfig {
  return parseConfig(readText(path), path, environment);
}

/**
 * Depends only on its arguments.
 * @param source name of the file, for messages
 * @throws ConfigError
 */
export function parseConfig(text: string, source: string, environment: Environment): LoadedConfig {
  const { safeText, variables } = markVariables(text);
  const refuse = (problems: readonly string[]) =>
    new ConfigError(
      source,
      problems.map((problem) => unmarked(problem, variables)),
    );
  const file = parseYaml(safeText, refuse);
  const where = (path: Path) => place(file, path);
  const told = ({ path, message }: Problem) => `${where(path)}: ${message}`;
  const unread = unreadVariables(file.document, variables).map((path) => ({ path, message: VARIABLE_FORM }));
  const { missing, filled } = fillEnvironment(file.document, variables, environment);
  const filledIn = withoutEmptySections(valuesIn(file, refuse), configSchema);
  const asText = configSchema.safeParse(filledIn);
  const value = asText.success ? filledIn : typedVariables(filledIn, filled, asText.error.issues);
  const parsed = asText.success ? asText : configSchema.safeParse(value);
  if (!parsed.success) {
    const wrong = parsed.error.issues.map((issue) => describeIssue(issue, value, where, missing));
    throw refuse([...unread.map(told), ...wrong]);
  }
  const inNames = variablesInNames(file.document).map((path) => ({ path, message: ONLY_IN_VALUES }));
  const problems = [...unread, ...inNames, ...crossCheck(parsed.data), ...unsetVariables(missing)];
  if (problems.length > 0) throw refuse(problems.map(told));
  // Copied, because V8 represents a substring as a view of the whole text, so a single name that is kept would keep all
  // keys in memory.
  return structuredClone({ config: parsed.data, missingKeys: missingKeys(parsed.data, missing) });
}

/** A provider whose key or header is not set is left out; any other unset variable is a mistake. */
function isProviderKey({ path }: MissingVariable): boolean {
  return path[0] === 'providers' && (path[2] === 'api_key' || path[2] === 'headers');
}

function unsetVariables(missing: readonly MissingVariable[]): Problem[] {
  return missing
    .filter((variable) => !isProviderKey(variable))
    .map(({ path, variable }) => ({ path, message: `the environment variable ${variable} is not set` }));
}

function missingKeys({ providers }: Config, missing: readonly MissingVariable[]): Map<string, string> {
  const keys = new Map(missing.filter(isProviderKey).map(({ path, variable }) => [String(path[1]), variable]));
  for (const [name, { api_key, base_url }] of Object.entries(providers)) {
    // Only a self-hosted server may need no key.
    if (!api_key && !base_url && !keys.has(name)) keys.set(name, `providers.${name}.api_key`);
  }
  return keys;
}
