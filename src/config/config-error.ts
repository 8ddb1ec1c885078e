/**
 * A config that cannot be used. Its message gives, per problem, the place in the file, what was found and what is
 * right.
 */
export class ConfigError extends Error {
  constructor(source: string, problems: readonly string[]) {
    super(`${source} cannot be used:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}
