import { expect, it } from 'vitest';
import { answerSchema } from '../../src/domain/chat.ts';

const SCHEMA = { type: 'object', properties: { city: { type: 'string' } } };

it.each([
  [{ type: 'json_schema', json_schema: { name: 'place', schema: SCHEMA } }, SCHEMA],
  [{ type: 'json_schema', json_schema: { name: 'place' } }, null],
  [{ type: 'json_schema', json_schema: { name: 'place', schema: 'city' } }, null],
  [{ type: 'json_schema', schema: SCHEMA }, null],
  [{ type: 'json_object', schema: SCHEMA }, SCHEMA],
  [{ type: 'json_object', schema: {} }, null],
  [{ type: 'json_object' }, null],
  [{ type: 'text', schema: SCHEMA }, null],
])('the schema of %j is %j', (format, expected) => {
  expect(answerSchema(format)).toEqual(expected);
});
