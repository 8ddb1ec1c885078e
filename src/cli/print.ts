/** Characters that a terminal may obey: C0 except line breaks and tabs, DEL, C1. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/**
 * Escapes control characters, so that a terminal shows them instead of obeying them: names of models and tasks come
 * from files made by others. JSON keeps its meaning, because its strings escape these characters in the same way.
 */
export function printable(text: string): string {
  return text.replace(CONTROLS, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Prints one or more lines on standard output. */
export function print(text: string): void {
  console.log(printable(text));
}

/** Prints one or more lines on standard error, for what is not part of the result. */
export function tell(text: string): void {
  console.error(printable(text));
}
