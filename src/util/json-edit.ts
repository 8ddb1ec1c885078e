export const [COMMA, OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE, QUOTE] = unitsOf(',[]{}"');
const [BACKSLASH, SPACE] = unitsOf('\\ ');

function unitsOf(characters: string): number[] {
  return Array.from(characters, (character) => character.charCodeAt(0));
}

/** A half-open range of a JSON text, in UTF-16 units. */
export interface Span {
  start: number;
  end: number;
}

/** One member of a JSON object: its decoded name, and the ranges of its name (with the quotes) and its value. */
export interface Member {
  name: string;
  key: Span;
  value: Span;
}

/**
 * The members of the object in `text`, in order; repeated names are kept.
 * @param text valid JSON with an object at its root
 * @param within range of a nested object in it
 */
export function membersOf(text: string, within?: Span): Member[] {
  return elementsOf(text, within).map(({ start, end }) => {
    const key = { start, end: endOfString(text, start) + 1 };
    let value = text.indexOf(':', key.end) + 1;
    while (isBlank(text.charCodeAt(value))) value++;
    return { name: JSON.parse(text.slice(key.start, key.end)), key, value: { start: value, end } };
  });
}

/**
 * Ranges of an array's elements, or of an object's members. Makes one pass that jumps over strings, because bodies may
 * contain images of megabytes, and libraries that tokenise them take a second for each.
 * @param text valid JSON with an array or an object at its root
 * @param within range of a nested one in it
 */
export function elementsOf(text: string, within: Span = { start: 0, end: text.length }): Span[] {
  const elements: Span[] = [];
  let depth = 0;
  let start = -1;
  let end = -1;
  for (let i = within.start; i < within.end; i++) {
    const unit = text.charCodeAt(i);
    if (isBlank(unit)) continue;
    const token = i;
    if (unit === QUOTE) i = endOfString(text, i);
    const closes = unit === CLOSE_BRACE || unit === CLOSE_BRACKET;
    if (closes) depth--;
    if ((depth === 0 && closes) || (depth === 1 && unit === COMMA)) {
      if (start >= 0) elements.push({ start, end });
      start = -1;
    } else if (depth > 0) {
      if (start < 0) start = token;
      end = i + 1;
    }
    if (unit === OPEN_BRACE || unit === OPEN_BRACKET) depth++;
  }
  return elements;
}

/** Outside strings, JSON's blanks are the only characters up to the space. */
function isBlank(unit: number): boolean {
  return unit <= SPACE;
}

/** After this many quotes in a row, each at most this many characters after the previous one … */
const DENSE = { quotes: 64, gap: 16 };
/** … this many characters are examined one by one. */
const STRETCH = 4096;

/**
 * Index of the quote that closes the string; −1 when none does. Jumps from quote to quote, which is fastest for prose
 * and code. But a body full of escaped quotes would then take seconds, so dense quotes are scanned differently.
 * @param open index of the quote that opens it
 */
export function endOfString(text: string, open: number): number {
  let from = open + 1;
  let dense = 0;
  for (;;) {
    const at = text.indexOf('"', from);
    if (at < 0 || !isEscaped(text, at, from)) return at;
    dense = at - from < DENSE.gap ? dense + 1 : 0;
    from = at + 1;
    if (dense <= DENSE.quotes) continue;
    dense = 0;
    for (const stop = Math.min(text.length, from + STRETCH); from < stop; from++) {
      const unit = text.charCodeAt(from);
      if (unit === QUOTE) return from;
      if (unit === BACKSLASH) from++;
    }
  }
}

/** @param from index that no escape sequence reaches across: nothing before it counts */
function isEscaped(text: string, at: number, from: number): boolean {
  let before = at - 1;
  while (before >= from && text.charCodeAt(before) === BACKSLASH) before--;
  return (at - 1 - before) % 2 === 1;
}

/**
 * `text` with the given ranges replaced, in one pass.
 * @param edits ranges that do not overlap, in any order
 */
export function replaceSpans(text: string, edits: readonly { span: Span; replacement: string }[]): string {
  const parts: string[] = [];
  let at = 0;
  for (const { span, replacement } of [...edits].sort((a, b) => a.span.start - b.span.start)) {
    parts.push(text.slice(at, span.start), replacement);
    at = span.end;
  }
  parts.push(text.slice(at));
  return parts.join('');
}

/** `object` with every occurrence of the member set to a value; an absent member is added at the front. */
export function setMember(object: string, name: string, json: string): string {
  const present = membersOf(object).filter((member) => member.name === name);
  if (present.length > 0) {
    return replaceSpans(
      object,
      present.map((member) => ({ span: member.value, replacement: json })),
    );
  }
  const brace = object.indexOf('{') + 1;
  const separator = /^\s*\}/.test(object.slice(brace)) ? '' : ',';
  return `${object.slice(0, brace)}${JSON.stringify(name)}:${json}${separator}${object.slice(brace)}`;
}

/**
 * `object` without any occurrence of the member. In one pass, because a client may repeat a name as often as it likes.
 */
export function removeMember(object: string, name: string): string {
  const members = membersOf(object);
  const lastKept = members.findLastIndex((member) => member.name !== name);
  const spans: Span[] = [];
  // Remove each of these with the comma after it.
  for (let i = 0; i < lastKept; i++) {
    if (members[i].name === name) spans.push({ start: members[i].key.start, end: members[i + 1].key.start });
  }
  const last = members.at(-1);
  // Remove those at the end with the comma before them.
  if (last && last.name === name) {
    const start = lastKept < 0 ? members[0].key.start : members[lastKept].value.end;
    spans.push({ start, end: last.value.end });
  }
  return replaceSpans(
    object,
    spans.map((span) => ({ span, replacement: '' })),
  );
}

/** `object` with the member renamed. */
export function renameMember(object: string, name: string, to: string): string {
  const renamed = membersOf(object).filter((member) => member.name === name);
  return replaceSpans(
    object,
    renamed.map(({ key }) => ({ span: key, replacement: JSON.stringify(to) })),
  );
}
