/**
 * A config that cannot be used. For each problem, its message gives the place in the file, what was found and what is
 * expected.
 */
export class ConfigError extends Error {
  constructor(source: string, problems: readonly string[]) {
    super(`${source} cannot be used:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}
