import type { LoadedConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { type HashedKey, hashKey } from '../http/auth.ts';
import { isLoopback } from '../util/loopback.ts';
import { bodiesLimit } from './settings.ts';
import { StartError } from './start-error.ts';

export function hashedKeys(config: Config): HashedKey[] {
  return config.auth.keys.map(({ key, models, rpm = null, tpm = null, budget = null, ...limits }) => ({
    hash: hashKey(key),
    limits: { ...limits, rpm, tpm, budget, models: models.includes('*') ? null : new Set(models) },
  }));
}

/** Names the keys that have another value than before, as `changedSettings` does: it does not see the values. */
export function replacedKeys(before: readonly HashedKey[], after: readonly HashedKey[]): string[] {
  const known = new Map(before.map(({ limits, hash }) => [limits.name, hash]));
  return after
    .filter(({ limits, hash }) => known.get(limits.name)?.equals(hash) === false)
    .map(({ limits }) => `auth.keys.${limits.name}.key`);
}

/** Length from which a key cannot be guessed. */
export const MIN_KEY_CHARACTERS = 16;

/** Names of the keys that are shorter than that. */
export function shortKeys({ auth }: Config): string[] {
  return auth.keys.filter(({ key }) => key.length < MIN_KEY_CHARACTERS).map(({ name }) => name);
}

/** Blanks the keys: in memory they are kept only as hashes. */
export function withoutGatewayKeys(loaded: LoadedConfig): LoadedConfig {
  const { auth } = loaded.config;
  const keys = auth.keys.map((key) => ({ ...key, key: '' }));
  return { ...loaded, config: { ...loaded.config, auth: { ...auth, keys } } };
}

/**
 * Refuses a config under which anyone could spend the operator's money: other machines, or every page in a browser
 * here.
 * @throws StartError
 */
export function refuseOpenGateway(config: Config): void {
  const { host, cors_origins: origins } = config.server;
  if (config.auth.keys.length > 0) return;
  if (origins.includes('*')) {
    throw new StartError(
      'Every web page may use the gateway (server.cors_origins): set auth.keys, or list the origins.',
    );
  }
  if (isLoopback(host)) return;
  throw new StartError(
    `The gateway would listen on ${host} and spend your money for anyone who reaches it. Set auth.keys in the config, or listen on 127.0.0.1.`,
  );
}

/** What the operator of several keys should know at the start. */
export function keyWarnings(config: Config): string[] {
  const { auth, server } = config;
  const warnings: string[] = [];
  if (!isLoopback(server.host) && !auth.keys.some(({ role }) => role === 'admin')) {
    warnings.push('No key has "role: admin": /metrics and /admin are closed to everyone.');
  }
  if (auth.keys.length > 1 && server.max_body_mb * 2 ** 20 > bodiesLimit(config) / 2) {
    warnings.push(
      'server.max_body_mb is more than half of server.max_bodies_mb: while one such body uploads, large bodies of other keys are refused.',
    );
  }
  return warnings;
}
