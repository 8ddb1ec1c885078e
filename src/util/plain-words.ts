const LIMITS: Record<string, string> = {
  '>=': 'at least ',
  '<=': 'at most ',
  '>': 'more than ',
  '<': 'less than ',
  'exactly ': 'exactly ',
};
const KINDS: Record<string, string> = {
  int: 'a whole number',
  number: 'a number',
  string: 'a string',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};

/**
 * Reduces a message that zod generated to what is expected, in plain words; other messages are returned unchanged.
 * @param message e.g. `Too small: expected number to be >=0` gives `expected at least 0`
 */
export function plainWords(message: string): string {
  return message
    .replace(/^(Invalid (input|option|string|URL)|Too small|Too big): /, '')
    .replace(/^(expected [^"]*), received \w+$/, '$1')
    .replace(/^expected \w+ to (be|have) ([<>]=?|exactly )/, (_, __, relation) => `expected ${LIMITS[relation]}`)
    .replace(/(?<= 1 (character|item))s$/, '')
    .replace(/^expected (\w+)$/, (whole, kind) => (KINDS[kind] ? `expected ${KINDS[kind]}` : whole));
}
