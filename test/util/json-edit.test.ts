import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  elementsOf,
  endOfString,
  membersOf,
  removeMember,
  renameMember,
  replaceSpans,
  setMember,
} from '../../src/util/json-edit.ts';

const space = fc.constantFrom('', ' ', '\n', '\t ', '\r\n');
/** A name in different spellings of the same string. */
const name = fc
  .tuple(fc.oneof(fc.constantFrom('model', 'messages', '__proto__', ''), fc.string()), fc.boolean())
  .map(([text, escaped]) => {
    const json = escaped
      ? `"${[...Array(text.length).keys()].map((i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"`
      : JSON.stringify(text);
    return { text, json };
  });
const value = fc
  .tuple(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom(undefined, 2))
  .map(([json, indent]) => JSON.stringify(json, null, indent));
const member = fc.tuple(name, value, space, space).map(([key, json, before, after]) => ({
  name: key.text,
  json,
  text: `${before}${key.json}${after}:${before}${json}${after}`,
}));
/** Objects with repeated names, escapes, nesting and white space, and the members they were made of. */
const object = fc.tuple(fc.array(member, { maxLength: 6 }), space).map(([members, around]) => ({
  members,
  text: `${around}{${members.map(({ text }) => text).join(',')}${around}}${around}`,
}));

describe('endOfString', () => {
  it('finds the closing quote, past escaped ones', () => {
    const parts = fc.array(fc.constantFrom('a', '\\', '"', '\u2028', '\n'), { maxLength: 12 });
    fc.assert(
      fc.property(parts, fc.string(), (inside, after) => {
        const json = JSON.stringify(inside.join(''));
        expect(endOfString(`[${json}${after}`, 1)).toBe(json.length);
        // There is none if the string is cut short.
        expect(endOfString(`[${json.slice(0, -1)}`, 1)).toBe(-1);
      }),
    );
  });

  it('handles millions of escaped quotes or backslashes in one pass', () => {
    for (const escaped of ['\\"', '\\\\']) {
      const json = `"${escaped.repeat(2_000_000)}"`;
      expect(endOfString(json, 0)).toBe(json.length - 1);
    }
  });
});

describe('membersOf', () => {
  it('finds every member of an object, including repeated and escaped names', () => {
    fc.assert(
      fc.property(object, ({ members, text }) => {
        expect(() => JSON.parse(text)).not.toThrow();
        const found = membersOf(text).map((item) => ({
          name: item.name,
          json: text.slice(item.value.start, item.value.end),
        }));
        expect(found).toEqual(members.map((item) => ({ name: item.name, json: item.json })));
      }),
      { numRuns: 500 },
    );
  });

  it('handles any depth', () => {
    const depth = 200_000;
    const text = `{"a":${'['.repeat(depth)}${']'.repeat(depth)},"model":"x"}`;
    expect(membersOf(text).map((item) => item.name)).toEqual(['a', 'model']);
  });

  it('is not confused by strings that look like structure', () => {
    const text = '{"a":"}],{\\"model\\":1","model":"x"}';
    expect(membersOf(text).map((item) => item.name)).toEqual(['a', 'model']);
  });
});

describe('elementsOf', () => {
  const elements = fc.tuple(fc.array(fc.tuple(space, value, space), { maxLength: 6 }), space);

  it('finds every element of an array within a text, and membersOf finds the members of an object there', () => {
    fc.assert(
      fc.property(object, elements, ({ text }, [items, around]) => {
        const array = `[${items.map((item) => item.join('')).join(',')}${around}]`;
        const whole = `{"a":${array},"b":${text}}`;
        const [a, b] = membersOf(whole);
        const found = elementsOf(whole, a!.value).map(({ start, end }) => whole.slice(start, end));
        expect(found).toEqual(items.map(([, json]) => json));
        expect(membersOf(whole, b!.value).map(({ name }) => name)).toEqual(membersOf(text).map(({ name }) => name));
      }),
      { numRuns: 500 },
    );
  });
});

describe('replaceSpans', () => {
  it('changes the value of one member and nothing else', () => {
    fc.assert(
      fc.property(object, value, fc.nat(), ({ members, text }, replacement, pick) => {
        fc.pre(members.length > 0);
        const index = pick % members.length;
        const found = membersOf(text);
        const edited = replaceSpans(text, [{ span: found[index]?.value ?? { start: 0, end: 0 }, replacement }]);
        const expected = members.map((item, at) => ({ name: item.name, json: at === index ? replacement : item.json }));
        const after = membersOf(edited).map((item) => ({
          name: item.name,
          json: edited.slice(item.value.start, item.value.end),
        }));
        expect(after).toEqual(expected);
      }),
    );
  });

  it('accepts edits in any order', () => {
    const edits = [
      { span: { start: 4, end: 6 }, replacement: 'EE' },
      { span: { start: 0, end: 1 }, replacement: '' },
      { span: { start: 2, end: 2 }, replacement: '+' },
    ];
    expect(replaceSpans('abcdefg', edits)).toBe('b+cdEEg');
    expect(replaceSpans('abcdefg', edits.toReversed())).toBe('b+cdEEg');
  });
});

describe('setMember', () => {
  it('sets the member as seen by JSON.parse, and keeps the others', () => {
    fc.assert(
      fc.property(object, name, value, ({ text }, key, json) => {
        const parsed = (source: string) => new Map(Object.entries(JSON.parse(source)));
        const edited = setMember(text, key.text, json);
        expect(parsed(edited)).toEqual(parsed(text).set(key.text, JSON.parse(json)));
      }),
      { numRuns: 500 },
    );
  });

  it('keeps integers that JSON.parse would round', () => {
    expect(setMember('{"seed":9007199254740993}', 'model', '"m"')).toBe('{"model":"m","seed":9007199254740993}');
    expect(setMember('{ }', 'model', '"m"')).toBe('{"model":"m" }');
  });
});

describe('removeMember and renameMember', () => {
  const namesOf = (text: string) => membersOf(text).map((item) => item.name);

  it('keep every other member unchanged', () => {
    fc.assert(
      fc.property(object, fc.nat(), ({ members, text }, choice) => {
        const target = members[choice % Math.max(1, members.length)]?.name ?? 'absent';
        const others = members.filter((item) => item.name !== target);
        const removed = removeMember(text, target);
        expect(() => JSON.parse(removed)).not.toThrow();
        expect(membersOf(removed).map(({ value }) => removed.slice(value.start, value.end))).toEqual(
          others.map(({ json }) => json),
        );
        expect(namesOf(removed)).toEqual(others.map((item) => item.name));
        const renamed = renameMember(text, target, 'a "new" name');
        expect(namesOf(renamed)).toEqual(members.map((item) => (item.name === target ? 'a "new" name' : item.name)));
      }),
      { numRuns: 500 },
    );
  });

  it('handle a name repeated a hundred thousand times in one pass', () => {
    const many = `{${'"x":1,'.repeat(100_000)}"y":2}`;
    expect(removeMember(many, 'x')).toBe('{"y":2}');
    expect(removeMember(many, 'y')).toBe(many.replace(',"y":2', ''));
    expect(renameMember(many, 'x', 'z')).toBe(many.replaceAll('"x"', '"z"'));
  });
});
