/** Shorter ones are dummies for servers that ask for none, and words of the language besides. */
const MIN_SECRET_CHARACTERS = 8;

const REDACTED = '[redacted]';
/** Not any number of them: a text of backslashes alone would be searched from each to its end. */
const BACKSLASHES = '\\\\{1,7}';

/** Keys and passwords that an upstream may repeat, but nobody may see. */
export class Secrets {
  /** As they are, and as a URL may have them. */
  readonly #forms: readonly string[];
  /** As a JSON string may have them, which may escape any character. */
  readonly #escaped: readonly RegExp[];

  constructor(secrets: readonly string[]) {
    const kept = secrets.filter((secret) => secret.length >= MIN_SECRET_CHARACTERS);
    this.#forms = kept.flatMap((secret) => [secret, encodeURIComponent(secret)]);
    this.#escaped = kept.map((secret) => new RegExp(secret.split('').map(perhapsEscaped).join(''), 'g'));
  }

  redact(text: string): string {
    const plain = this.#forms.reduce((result, form) => result.replaceAll(form, REDACTED), text);
    // Most texts have no escape at all, and a plain search is the faster one.
    if (!plain.includes('\\')) return plain;
    return this.#escaped.reduce((result, form) => result.replaceAll(form, REDACTED), plain);
  }
}

/** A UTF-16 unit as it is, or as JSON may write it, within a string of JSON once more. */
function perhapsEscaped(unit: string): string {
  const code = unit.charCodeAt(0).toString(16).padStart(4, '0');
  const digits = code.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
  const short = '"\\/'.includes(unit) ? `|${BACKSLASHES}\\u${code}` : '';
  return `(?:\\u${code}|${BACKSLASHES}u${digits}${short})`;
}

/** What a URL's query says of keys: some gateways before a model ask for theirs there. */
export function keysIn(url: URL): string[] {
  return [...url.searchParams].filter(([name]) => /key|token|secret|sig|code/i.test(name)).map(([, value]) => value);
}

/** Who asks it, in the forms in which a proxy may repeat it. */
export function secretsOfProxy({ href, username, password }: URL): string[] {
  if (username + password === '') return [];
  const [name, word] = [decodeURIComponent(username), decodeURIComponent(password)];
  return [href.replace(/\/$/, ''), password, word, Buffer.from(`${name}:${word}`).toString('base64')];
}
