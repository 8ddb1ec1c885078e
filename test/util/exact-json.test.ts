import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseExactly } from '../../src/util/exact-json.ts';

const again = (json: string) => JSON.stringify(parseExactly(json));

describe('parseExactly', () => {
  it('keeps integers beyond 2^53 exactly, wherever they are', () => {
    for (const json of [
      '9223372036854775807',
      '[-9223372036854775808,{"a":18446744073709551616,"b":[12345678901234567890]}]',
      '{"9007199254740993":9007199254740993,"text":"\\\\\\"9007199254740993, 9007199254740993\\\\","x":9007199254740993}',
    ])
      expect(again(` ${json} `)).toBe(json);
    expect(parseExactly('[ 9007199254740991, -1234567890123456]')).toEqual([9007199254740991, -1234567890123456]);
  });

  it('equals JSON.parse for everything else', () => {
    const others = ['9223372036854775807.5', '1e-9223372036854775807', '0.12345678901234567', '92233720368547758e2'];
    for (const number of others) expect(parseExactly(`[ ${number}]`), number).toEqual(JSON.parse(`[${number}]`));
    const marked = '["\\uE0009223372036854775807", 9223372036854775807]';
    expect(parseExactly(marked)).toEqual(JSON.parse(marked));
    const many = `[ ${Array(10_001).fill('9223372036854775807')}]`;
    expect(parseExactly(many)).toEqual(JSON.parse(many));
    // So many digits overflowed the stack of a regular expression, and the model was considered broken.
    expect(parseExactly(`[ ${'1'.repeat(1e7)}, 9223372036854775807]`)).toHaveProperty('0', Number.POSITIVE_INFINITY);
    for (const broken of [
      '[ 0009223372036854775807]',
      '[ --9223372036854775807]',
      '{ 9223372036854775807: 1}',
      '[ 9223372036854775807',
    ])
      expect(() => parseExactly(broken), broken).toThrow(SyntaxError);
    fc.assert(
      fc.property(fc.json(), (json) => {
        // fast-check's own large numbers are already rounded.
        expect(again(`[12345678901234567, ${json}]`)).toBe(`[12345678901234567,${JSON.stringify(JSON.parse(json))}]`);
      }),
    );
  });
});
