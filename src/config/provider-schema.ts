import { z } from 'zod';
import { PROVIDER_TYPES } from '../domain/provider-type.ts';

/** Sent in a header. Spaces inside are allowed, because some servers without authentication are given a sentence. */
export const secret = z
  .string()
  .trim()
  .regex(/^[\x20-\x7e]*$/, 'expected ASCII characters that a header can carry');

/** The name of a provider or a key. */
export const name = z.string().regex(/^[\w.-]{1,64}$/, 'expected 1 to 64 letters, digits or any of _ . -');

/** What the gateway, the connection or the wire format itself decides. */
const RESERVED_HEADERS =
  /^(host|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect|content-(length|type|encoding)|accept-encoding|proxy-.*|anthropic-version)$/i;

const headers = z
  .record(
    z
      .string()
      .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, 'expected the name of a header')
      .refine((header) => !RESERVED_HEADERS.test(header), 'the gateway sets this header itself'),
    secret,
  )
  .refine((all) => new Set(Object.keys(all).map((header) => header.toLowerCase())).size === Object.keys(all).length, {
    error: 'two of the names differ only in their case',
  });

export const providerSchema = z.strictObject({
  type: z.enum(PROVIDER_TYPES),
  // The schema trims the value, because secrets mounted as files often end in a line break.
  api_key: secret.optional(),
  headers: headers.optional(),
  base_url: z
    .url({ protocol: /^https?$/, error: 'expected a URL such as http://127.0.0.1:11434/v1', abort: true })
    .refine(
      (url) => !/^\w+:\/\/[^/]*@/.test(url),
      'it must not contain a user name or password: fetch refuses such a URL',
    )
    .optional(),
  proxy: z
    .url({
      protocol: /^https?$/,
      error: 'expected the URL of a proxy, such as http://proxy.example.com:3128',
      abort: true,
    })
    .refine((url) => isBare(url), 'it must not contain a path or query, and a % in its password must be written as %25')
    .optional(),
  stream_usage: z.boolean().default(true),
  cache_conversations: z.boolean().default(false),
});

/** True when the URL contains only the proxy's address and credentials, in a form that can be decoded. */
function isBare(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { pathname, search, hash, username, password } = new URL(url);
  try {
    [username, password].map(decodeURIComponent);
  } catch {
    return false;
  }
  return pathname === '/' && search === '' && hash === '';
}
