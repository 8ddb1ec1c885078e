/** Shorter ones are dummies for servers that ask for none, and words of the language besides. */
const MIN_SECRET_CHARACTERS = 8;

/** Keys and passwords that an upstream may repeat, but nobody may see. */
export class Secrets {
  /** As they are, and as a URL or a JSON string may have them. */
  readonly #forms: readonly string[];

  constructor(secrets: readonly string[]) {
    this.#forms = secrets
      .filter((secret) => secret.length >= MIN_SECRET_CHARACTERS)
      .flatMap((secret) => [secret, encodeURIComponent(secret), secret.replaceAll('/', '\\/')]);
  }

  redact(text: string): string {
    return this.#forms.reduce((result, form) => result.replaceAll(form, '[redacted]'), text);
  }
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
