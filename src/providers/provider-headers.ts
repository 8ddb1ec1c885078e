import { keysIn } from './secrets.ts';
import type { UpstreamHttpOptions } from './upstream-http.ts';

/** What the config says of every request to a provider. */
export interface ProviderAccess {
  /** Empty for servers that need none. */
  apiKey: string;
  /** Further headers, by name; absent: none. */
  headers?: Readonly<Record<string, string>>;
}

/** Any of these names the client, so that the usual header for the key is not needed. */
const AUTHENTICATING: ReadonlySet<string> = new Set(['authorization', 'api-key', 'x-api-key']);
/** Names of headers whose values must not be shown. */
const CONFIDENTIAL = /auth|bearer|code|cookie|cred|jwt|key|pass|secret|session|sig|token/;

/**
 * Headers of every request to a provider. The configured ones take precedence. Where there is no API key and one of
 * them authenticates, they alone do: a server may refuse a second, meaningless one.
 * @param keyHeaders how the provider's API takes the key; servers without authentication ignore it, but some refuse a
 *   request without it, so they get the key `none`
 */
export function providerHeaders(
  { apiKey, headers = {} }: ProviderAccess,
  keyHeaders: (key: string) => Record<string, string>,
): Record<string, string> {
  const own = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const authenticates = apiKey === '' && Object.keys(own).some((name) => AUTHENTICATING.has(name));
  return { ...(authenticates ? {} : keyHeaders(apiKey || 'none')), ...own };
}

/** What an upstream may repeat in its answers, but nobody may see. */
export function secretsOf({ apiKey, headers = {} }: ProviderAccess, url: URL): UpstreamHttpOptions['secrets'] {
  const values = Object.entries(headers)
    .filter(([name]) => CONFIDENTIAL.test(name.toLowerCase()))
    // An error may repeat a part alone: the key of `Bearer KEY`, one of several cookies, the password of `user:password`.
    .flatMap(([, value]) => [value, ...value.split(/[\s;,="]+/), ...value.split(/[\s;,=":]+/)]);
  return [apiKey, ...values, ...keysIn(url)];
}
