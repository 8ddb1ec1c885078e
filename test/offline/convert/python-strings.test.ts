import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePythonStrings } from '../../../src/offline/convert/python-strings.ts';

/** `repr` of a Python string, as in CPython's unicode_repr. */
function pythonRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const body = Array.from(text, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (character === quote || character === '\\') return `\\${character}`;
    if (character === '\n') return '\\n';
    if (character === '\r') return '\\r';
    if (character === '\t') return '\\t';
    if (/[\p{L}\p{N}\p{P}\p{S} ]/u.test(character)) return character;
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
    if (code < 0x10000) return `\\u${code.toString(16).padStart(4, '0')}`;
    return `\\U${code.toString(16).padStart(8, '0')}`;
  });
  return quote + body.join('') + quote;
}

describe('parsePythonStrings', () => {
  it.each([
    ["['one']", ['one']],
    [`["it's", 'a "quote"', 'both \\' and "']`, ["it's", 'a "quote"', 'both \' and "']],
    ["['a\\nb\\\\n\\t\\x41\\u6c49\\U0001f600\\101\\0']", ['a\nb\\n\tA汉😀A\0']],
    // As in Python, these two escapes mean nothing and are kept.
    ["['\\d \\X41']", ['\\d \\X41']],
    ["[ 'a' ,\n 'b', ]", ['a', 'b']],
    ["['over\ntwo lines']", ['over\ntwo lines']],
    ["['']", ['']],
    ['[]', []],
  ])('reads %s', (text, strings) => {
    expect(parsePythonStrings(text)).toEqual(strings);
  });

  it.each([
    '',
    'plain',
    '[1, 2]',
    "['open",
    "['a' 'b']",
    "['a'] and more",
    "['a', 2]",
    "'a'",
    '[title] of a book',
    '[',
  ])('rejects %j', (text) => {
    expect(parsePythonStrings(text)).toBeNull();
  });

  it("recovers the strings that Python's repr was given", () => {
    const special = ["'", '"', '\\', '\n', 'x', 'u', 'U', '0', 'é', '汉', '😀', '\u2028', '\0', '\u{10fffe}'];
    const text = fc.oneof(
      fc.array(fc.constantFrom(...special)).map((parts) => parts.join('')),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 4 }), (strings) => {
        expect(parsePythonStrings(`[${strings.map(pythonRepr).join(', ')}]`)).toEqual(strings);
      }),
    );
  });

  it('handles a very long text', () => {
    const part = `it's \\ "long"\n`;
    const written = pythonRepr(part).slice(1, -1).repeat(100_000);
    expect(parsePythonStrings(`['${written}']`)?.[0] === part.repeat(100_000)).toBe(true);
  });
});
