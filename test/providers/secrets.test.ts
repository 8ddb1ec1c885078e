import { describe, expect, it } from 'vitest';
import { Secrets } from '../../src/providers/secrets.ts';

const SECRET = 'sk+pro"v/\\key==Zz~1';
const secrets = new Secrets([SECRET, 'short']);
const escaped = (text: string, as: (code: string) => string, which = /[\s\S]/g) =>
  text.replace(which, (unit) => `\\u${as(unit.charCodeAt(0).toString(16).padStart(4, '0'))}`);
const lower = (code: string) => code;
const upper = (code: string) => code.toUpperCase();

describe('secrets are redacted', () => {
  it.each([
    ['as they are', SECRET],
    ['as a URL has them', encodeURIComponent(SECRET)],
    ['as JSON has them', JSON.stringify(SECRET).slice(1, -1)],
    ['with slashes escaped', JSON.stringify(SECRET).slice(1, -1).replaceAll('/', '\\/')],
    ['every character escaped', escaped(SECRET, lower)],
    ['every character escaped, in capitals', escaped(SECRET, upper)],
    ['some characters escaped', escaped(SECRET, lower, /[^A-Za-z0-9]/g)],
    ['escaped twice', JSON.stringify(escaped(SECRET, upper, /[^A-Za-z0-9]/g)).slice(1, -1)],
  ])('%s', (_, form) => {
    expect(secrets.redact(`{"a":"\\n${form}","b":"${form}"}`)).toBe('{"a":"\\n[redacted]","b":"[redacted]"}');
  });

  it('but nothing else is', () => {
    const text = `{"a":"\\n${escaped(SECRET.slice(0, -1), lower)} ${SECRET.slice(1)} short"}`;
    expect(secrets.redact(text)).toBe(text);
  });

  it.each([
    ['backslashes', '\\'],
    ['beginnings of the secret', escaped(SECRET.slice(0, -1), lower)],
    ['prose with line breaks', 'The quick brown fox jumps over the lazy dog.\\n'],
  ])('quickly in megabytes of %s', (_, part) => {
    const text = part.repeat(Math.ceil(8_000_000 / part.length));
    const startedAt = performance.now();
    expect(secrets.redact(text).length).toBe(text.length);
    // Quadratic time would be hours; the limit is ten times what it takes on a crowded machine.
    expect(performance.now() - startedAt).toBeLessThan(30_000);
  });
});
