import { createScanner } from 'jsonc-parser';

/** A half-open range of a JSON text, in UTF-16 units. */
export interface Span {
  start: number;
  end: number;
}

/** One member of a JSON object: its decoded name and where its value stands. */
export interface Member {
  name: string;
  value: Span;
}

/**
 * The members of the object that `text` is, in order and with repeated names kept. Works on tokens, so its depth is
 * not limited by the stack. @param text valid JSON with an object at its root
 */
export function membersOf(text: string): Member[] {
  const scanner = createScanner(text, true);
  const members: Member[] = [];
  let depth = 0;
  let name: string | null = null;
  let valueStart = -1;
  let valueEnd = -1;
  const finishMember = () => {
    if (name !== null && valueStart >= 0) members.push({ name, value: { start: valueStart, end: valueEnd } });
    name = null;
    valueStart = -1;
  };
  for (;;) {
    scanner.scan();
    const offset = scanner.getTokenOffset();
    if (offset >= text.length) break;
    // A token is known by its first character; the scanner's own names for them are const enums, out of reach here.
    const first = text[offset];
    const closes = first === '}' || first === ']';
    if (closes) depth--;
    if (depth === 0 && closes) finishMember();
    else if (depth === 1 && first === ',') finishMember();
    else if (depth === 1 && name === null && first === '"') name = scanner.getTokenValue();
    else if (depth >= 1 && name !== null && !(depth === 1 && first === ':')) {
      if (valueStart < 0) valueStart = offset;
      valueEnd = offset + scanner.getTokenLength();
    }
    if (first === '{' || first === '[') depth++;
  }
  return members;
}

/** `text` with the given ranges replaced. @param edits ranges that do not overlap, in any order */
export function replaceSpans(text: string, edits: readonly { span: Span; replacement: string }[]): string {
  let result = text;
  for (const { span, replacement } of [...edits].sort((a, b) => b.span.start - a.span.start)) {
    result = result.slice(0, span.start) + replacement + result.slice(span.end);
  }
  return result;
}

/** `object` with every occurrence of the member set to a value, or the member put first where it is absent. */
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
