/** What a terminal may obey: C0 but line breaks and tabs, DEL, C1. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/**
 * A text whose control characters a terminal shows in place of obeying them. Names of models and tasks come from files
 * that others made. JSON stays what it was: this is how a string of it writes them.
 */
export function printable(text: string): string {
  return text.replace(CONTROLS, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A line, or several, on standard output. */
export function print(text: string): void {
  console.log(printable(text));
}

/** The same on standard error: what is no part of the result. */
export function tell(text: string): void {
  console.error(printable(text));
}
