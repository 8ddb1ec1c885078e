/** Classes of a UTF-16 unit, as bits. */
export const LETTER = 1;
export const SPACE = 2;
export const DIGIT = 4;
export const CODE_SYMBOL = 8;
const KNOWN = 128;

const classes = new Uint8Array(2 ** 16);

/**
 * Class bits of a UTF-16 unit. LETTER covers letters, numbers and the underscore in any script of the basic plane;
 * halves of surrogate pairs have no class. Each unit is classified once and cached, because a regular expression would
 * make the hot path ten times as slow.
 */
export function classOf(unit: number): number {
  return classes[unit] || classify(unit);
}

function classify(unit: number): number {
  const character = String.fromCharCode(unit);
  let bits = KNOWN;
  if (/[\p{L}\p{N}_]/u.test(character)) bits |= LETTER;
  if (/\s/.test(character)) bits |= SPACE;
  if (/\d/.test(character)) bits |= DIGIT;
  if (/[{}();=<>]/.test(character)) bits |= CODE_SYMBOL;
  classes[unit] = bits;
  return bits;
}
