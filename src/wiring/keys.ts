import type { LoadedConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import type { Logger } from '../gateway/logger.ts';
import { type HashedKey, hashKey } from '../http/auth.ts';
import { isLoopback } from '../util/loopback.ts';
import { bodiesLimit } from './settings.ts';
import { StartError } from './start-error.ts';

function hashedKeys(config: Config): HashedKey[] {
  return config.auth.keys.map(({ key, models, rpm = null, tpm = null, budget = null, ...limits }) => ({
    hash: hashKey(key),
    limits: { ...limits, rpm, tpm, budget, models: models.includes('*') ? null : new Set(models) },
  }));
}

/** Keys of at least this length cannot be guessed. */
const MIN_KEY_CHARACTERS = 16;

/** Names of the keys that are shorter than `MIN_KEY_CHARACTERS`. */
function shortKeys({ auth }: Config): string[] {
  return auth.keys.filter(({ key }) => key.length < MIN_KEY_CHARACTERS).map(({ name }) => name);
}

/** Blanks the keys, because they are kept in memory only as hashes. */
export function withoutGatewayKeys(loaded: LoadedConfig): LoadedConfig {
  const { auth } = loaded.config;
  const keys = auth.keys.map((key) => ({ ...key, key: '' }));
  return { ...loaded, config: { ...loaded.config, auth: { ...auth, keys } } };
}

/**
 * Refuses a config under which anyone could spend the operator's money: other machines, or every web page in a browser
 * on this machine.
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

/** Returns warnings about the keys that the operator should see at the start. */
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

/** The gateway's current keys. */
export class GatewayKeys {
  readonly #log: Logger;
  #hashed: readonly HashedKey[];

  constructor(config: Config, log: Logger) {
    this.#log = log;
    this.#hashed = hashedKeys(config);
    this.#warnOfShort(config);
  }

  get hashed(): readonly HashedKey[] {
    return this.#hashed;
  }

  /**
   * Applies the config's keys.
   * @returns the keys whose value has changed, named as in `changedSettings`, which does not see the values
   */
  replace(config: Config): string[] {
    const known = new Map(this.#hashed.map(({ limits, hash }) => [limits.name, hash]));
    this.#hashed = hashedKeys(config);
    this.#warnOfShort(config);
    return this.#hashed
      .filter(({ limits, hash }) => known.get(limits.name)?.equals(hash) === false)
      .map(({ limits }) => `auth.keys.${limits.name}.key`);
  }

  #warnOfShort(config: Config): void {
    for (const key of shortKeys(config)) {
      this.#log.warn({ key }, `This key has fewer than ${MIN_KEY_CHARACTERS} characters: it could be guessed.`);
    }
  }
}
