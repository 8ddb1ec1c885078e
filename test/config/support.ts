import { ConfigError } from '../../src/config/config-error.ts';
import { type LoadedConfig, parseConfig } from '../../src/config/load.ts';
import type { Environment } from '../../src/config/variables.ts';

/** The smallest possible config. */
export const MINIMAL = `
providers: { p: { type: openai } }
models:
  - { id: a, provider: p, price: { input: 1, output: 2 } }
`;

export function parse(text: string, environment: Environment = {}): LoadedConfig {
  return parseConfig(text, 'mixllm.yaml', environment);
}

/** The problems for which a config is rejected, one per line of the message. */
export function problemsOf(text: string, environment: Environment = {}): string[] {
  try {
    parse(text, environment);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const [head, ...problems] = error.message.split('\n  - ');
    if (head !== 'mixllm.yaml cannot be used:') throw new Error(`unexpected head: ${head}`);
    return problems;
  }
  return [];
}
