import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const DEFAULT_CONFIG = 'config/mixllm.yaml';

/** Ships with the package. */
const EXAMPLE = fileURLToPath(new URL(`../../${DEFAULT_CONFIG}`, import.meta.url));

/** Returns the named file, or else the one in this folder, or else the shipped one, with a message. */
export function configFile(named: string | undefined): string {
  if (named !== undefined) return named;
  // In the container image both are the same file, which a mounted folder hides.
  if (existsSync(DEFAULT_CONFIG) || resolve(DEFAULT_CONFIG) === EXAMPLE) return DEFAULT_CONFIG;
  console.error(`There is no ${DEFAULT_CONFIG} here; using the one that ships with mixllm: ${EXAMPLE}`);
  return EXAMPLE;
}
