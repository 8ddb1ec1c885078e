import { readFileSync } from 'node:fs';
import { type Document, isAlias, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import { ConfigError } from './config-error.ts';

export type Path = (string | number)[];

/** Makes an error from these problems. */
export type Refusal = (problems: readonly string[]) => Error;

/** A parsed file that still knows the lines of its values. */
export interface YamlFile {
  document: Document;
  lines: LineCounter;
}

/** @throws ConfigError that says why the file cannot be read */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(path, [`it cannot be read: ${(error as Error).message}`]);
  }
}

/**
 * Pure.
 * @throws the error that `refuse` makes of a mistake in the YAML, or of a mapping where a name is expected
 */
export function parseYaml(text: string, refuse: Refusal): YamlFile {
  const lines = new LineCounter();
  // 'error' suppresses warnings, which would go to the console and quote text that may be a key.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  // Reports only the first mistake, because it causes the others.
  const [mistake] = document.errors;
  if (mistake) throw refuse([`line ${lines.linePos(mistake.pos[0]).line}: ${withoutQuote(mistake.message)}`]);
  refuseOddKeys({ document, lines }, refuse);
  return { document, lines };
}

/**
 * The values of the file; an empty file is an empty mapping.
 * @throws the error that `refuse` makes of an unresolved alias
 */
export function valuesIn({ document }: YamlFile, refuse: Refusal): unknown {
  try {
    return document.toJS() ?? {};
  } catch (error) {
    throw refuse([`an alias (*name) in it cannot be used: ${withoutQuote((error as Error).message)}`]);
  }
}

/** Refuses a mapping where a setting's name is expected, such as `{{ … }}` from a template that was not filled in. */
function refuseOddKeys({ document, lines }: YamlFile, refuse: Refusal): void {
  visit(document, {
    Pair(_, pair) {
      if (isScalar(pair.key) || isAlias(pair.key) || !isNode(pair.key)) return;
      const { line } = lines.linePos(pair.key.range?.[0] ?? 0);
      throw refuse([`line ${line}: found a mapping instead of a name; are the braces doubled?`]);
    },
  });
}

/** The YAML parser's message without the piece of the file that it quotes, which may be a key. */
function withoutQuote(message: string): string {
  return message.split(': ')[0].replace(/[!%]\S+/g, '…');
}

/** The path of a node, computed from its ancestors as reported by `visit`. */
export function pathOf(key: number | 'key' | 'value' | null, ancestors: readonly unknown[]): Path {
  const path: Path = [];
  ancestors.forEach((ancestor, i) => {
    const next = ancestors[i + 1];
    if (isPair(ancestor)) path.push(isScalar(ancestor.key) ? String(ancestor.key.value) : String(ancestor.key));
    else if (isSeq(ancestor)) path.push(next === undefined ? Number(key) : ancestor.items.indexOf(next));
  });
  return path;
}

/** `models[1].price.input (line 12)`; the line of the nearest parent when the path itself is absent. */
export function place({ document, lines }: YamlFile, path: Path): string {
  const name = path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    '',
  );
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return `${name} (line ${lines.linePos(node.range[0]).line})`;
  }
  return name || 'the file';
}
