import { ConfigError } from '../config/config-error.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import type { Environment } from '../config/variables.ts';

/**
 * Loads the config. HOST and PORT override the file, as container platforms expect.
 * @throws ConfigError
 */
export function loadWithOverrides(file: string, environment: Environment): LoadedConfig {
  const loaded = loadConfig(file, environment);
  const { PORT } = environment;
  // Kubernetes' secrets and `echo` end in a line break; URLs put an IPv6 address in brackets.
  const host = environment.HOST?.trim().replace(/^\[(.*)\]$/, '$1');
  if (host) loaded.config.server.host = host;
  if (PORT) {
    const port = Number(PORT);
    if (!Number.isInteger(port) || port < 0 || port > 65_535) {
      throw new ConfigError('The environment', [`PORT: found "${PORT}"; expected a number from 0 to 65535`]);
    }
    loaded.config.server.port = port;
  }
  return loaded;
}
