/** Shorter keys are dummies for servers that need no key, and may be ordinary words. */
const MIN_SECRET_CHARACTERS = 8;

const REDACTED = '[redacted]';
/**
 * At most seven: without a limit, a text that consists only of backslashes would be searched from each of them to its
 * end.
 */
const BACKSLASHES = '\\\\{1,7}';

/** Redacts keys and passwords, which an upstream may repeat but nobody may see. */
export class Secrets {
  /** The secrets as they are, and as a URL encodes them. */
  readonly #forms: readonly string[];
  /** Patterns that match the secrets in a JSON string, in which any character may be escaped. */
  readonly #escaped: readonly RegExp[];

  constructor(secrets: readonly string[]) {
    const kept = secrets.filter((secret) => secret.length >= MIN_SECRET_CHARACTERS);
    this.#forms = kept.flatMap((secret) => [secret, encodeURIComponent(secret)]);
    this.#escaped = kept.map((secret) => new RegExp(secret.split('').map(perhapsEscaped).join(''), 'g'));
  }

  redact(text: string): string {
    const plain = this.#forms.reduce((result, form) => result.replaceAll(form, REDACTED), text);
    // Most texts contain no escape, and a plain search is faster.
    if (!plain.includes('\\')) return plain;
    return this.#escaped.reduce((result, form) => result.replaceAll(form, REDACTED), plain);
  }
}

/**
 * Pattern for a UTF-16 unit, either as it is or as JSON may escape it, including in JSON that is a string within JSON.
 */
function perhapsEscaped(unit: string): string {
  const code = unit.charCodeAt(0).toString(16).padStart(4, '0');
  const digits = code.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
  const short = '"\\/'.includes(unit) ? `|${BACKSLASHES}\\u${code}` : '';
  return `(?:\\u${code}|${BACKSLASHES}u${digits}${short})`;
}

/** Finds the keys in a URL's query, where some gateways in front of a model expect them. */
export function keysIn(url: URL): string[] {
  return [...url.searchParams].filter(([name]) => /key|token|secret|sig|code/i.test(name)).map(([, value]) => value);
}

/** A proxy's credentials, in every form in which the proxy may repeat them. */
export function secretsOfProxy({ href, username, password }: URL): string[] {
  if (username + password === '') return [];
  const [name, word] = [decodeURIComponent(username), decodeURIComponent(password)];
  return [href.replace(/\/$/, ''), password, word, Buffer.from(`${name}:${word}`).toString('base64')];
}
