const BLANKS = /\s*/y;
// Unrolled, so that a long text needs no backtracking per character.
const STRING = /'([^'\\]*(?:\\[\s\S][^'\\]*)*)'|"([^"\\]*(?:\\[\s\S][^"\\]*)*)"/y;
const ESCAPE = /\\(x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|[0-7]{1,3}|[\s\S])/g;

const SIMPLE: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  a: '\u0007',
  b: '\b',
  f: '\f',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '\n': '',
};

/**
 * The strings of a Python list as written by `repr`, e.g. `['one', "it's two"]`; null for any other text. Escapes:
 * https://docs.python.org/3/reference/lexical_analysis.html#escape-sequences
 * (without `\N{…}`, which `repr` never writes).
 */
export function parsePythonStrings(text: string): string[] | null {
  const strings: string[] = [];
  let at = skip(text, 0);
  if (text[at] !== '[') return null;
  at = skip(text, at + 1);
  while (text[at] !== ']') {
    STRING.lastIndex = at;
    const match = STRING.exec(text);
    if (!match) return null;
    strings.push(unescapePython(match[1] ?? match[2]));
    at = skip(text, STRING.lastIndex);
    if (text[at] === ',') at = skip(text, at + 1);
    else if (text[at] !== ']') return null;
  }
  return skip(text, at + 1) === text.length ? strings : null;
}

function skip(text: string, from: number): number {
  BLANKS.lastIndex = from;
  BLANKS.test(text);
  return BLANKS.lastIndex;
}

/** As in Python, an unknown escape is left unchanged. */
function unescapePython(text: string): string {
  return text.replace(ESCAPE, (whole, sequence: string) => {
    if (SIMPLE[sequence] !== undefined) return SIMPLE[sequence];
    const code = /^[xuU]./.test(sequence) ? Number.parseInt(sequence.slice(1), 16) : Number.parseInt(sequence, 8);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
