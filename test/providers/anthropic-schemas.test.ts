import { transformJSONSchema } from '@anthropic-ai/sdk/lib/transform-json-schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plainSchema } from '../../src/providers/anthropic/plain-schema.ts';
import { AnthropicProvider } from '../../src/providers/anthropic/provider.ts';
import { systemClock } from '../../src/util/clock.ts';
import { callOf } from './contract.ts';
import { answerJson, type FakeUpstream, fixture, startUpstream } from './upstream.ts';

const place = { type: 'object', properties: { name: { type: 'string', minLength: 2 } }, required: ['name'] };
const schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  title: 'Trip',
  properties: {
    price: { type: 'number', description: 'In EUR', minimum: 0, maximum: 1000 },
    day: { type: 'string', format: 'date' },
    code: { type: 'string', pattern: '^[A-Z]+$', format: 'iban' },
    stops: { type: 'array', items: { $ref: '#/$defs/place' }, minItems: 1, maxItems: 9 },
    legs: { type: 'array', items: { type: 'integer' }, uniqueItems: true, minItems: 2 },
    by: { oneOf: [{ enum: ['car', 'rail'] }, { type: 'null' }] },
  },
  required: ['price'],
  additionalProperties: false,
  $defs: { place },
};

it("simplifies a schema exactly as Anthropic's own SDK does", () => {
  expect(plainSchema(schema)).toEqual(transformJSONSchema(schema));
  expect(plainSchema(schema)).toMatchObject({
    properties: {
      price: { type: 'number', description: 'In EUR\n\n{minimum: 0, maximum: 1000}' },
      by: { anyOf: [{ enum: ['car', 'rail'] }, { type: 'null' }] },
    },
  });
});

it('leaves a schema that is already simple unchanged, whatever it contains', () => {
  const plain = { type: 'object', properties: { a: { type: ['string', 'null'] } }, additionalProperties: false };
  expect(JSON.stringify(plainSchema(plain))).toBe(JSON.stringify(plain));
  for (const odd of [true, null, 'x', [], {}]) expect(plainSchema(odd)).toEqual(odd);
  const open = { type: 'object', additionalProperties: { type: 'integer' } };
  expect(plainSchema(open)).toEqual({
    type: 'object',
    additionalProperties: false,
    description: '{additionalProperties: {"type":"integer"}}',
  });
});

describe('a schema that Claude rejects', () => {
  let upstream: FakeUpstream;
  let provider: AnthropicProvider;
  beforeAll(async () => {
    upstream = await startUpstream();
    provider = new AnthropicProvider({ clock: systemClock, apiKey: 'sk-ant', baseUrl: upstream.url });
  });
  afterAll(async () => {
    await upstream.close();
    await provider.close();
  });

  /** Answers with the error while the request contains the word, otherwise with a message. */
  function refuse(word: string, message: string): void {
    upstream.requests.length = 0;
    const error = JSON.stringify({ type: 'error', error: { type: 'invalid_request_error', message } });
    const whole = answerJson(fixture('anthropic/thinking.json'));
    upstream.respond = (response, request) =>
      (request.text.includes(word) ? answerJson(error, 400) : whole)(response, request);
  }

  const format = { type: 'json_schema', json_schema: { name: 'trip', schema } };

  it('is sent again in simplified form and reported; the next request starts with the original schema', async () => {
    refuse(
      '"minimum":',
      "output_config.format.schema: For 'number' type, properties maximum, minimum are not supported",
    );
    for (const requests of [2, 4]) {
      expect((await provider.complete(callOf({ response_format: format }))).droppedParams).toEqual(['response_format']);
      expect(upstream.requests).toHaveLength(requests);
    }
    expect(upstream.requests[0].body.output_config).toEqual({ format: { type: 'json_schema', schema } });
    expect(upstream.requests[1].body.output_config).toEqual({
      format: { type: 'json_schema', schema: transformJSONSchema(schema) },
    });
  });

  it('for a strict tool is sent again in full, but without "strict"', async () => {
    refuse('"strict"', 'tools.0.custom.strict: Extra inputs are not permitted');
    const tools = [{ type: 'function', function: { name: 'book', parameters: schema, strict: true } }];
    expect((await provider.complete(callOf({ tools, tool_choice: 'required' }))).droppedParams).toEqual(['tools']);
    expect(upstream.requests[1].body).toMatchObject({
      tools: [{ name: 'book', input_schema: schema }],
      tool_choice: { type: 'any' },
    });
  });

  it('for a tool is sent again with the unions at its top as text', async () => {
    refuse(
      '"anyOf":',
      'tools.1.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level',
    );
    const anyOf = [{ required: ['name'] }, { required: ['id'] }];
    const union = { ...place, description: 'Where to', anyOf, required: undefined };
    const tools = [place, union].map((parameters, i) => ({
      type: 'function',
      function: { name: `f${i}`, parameters },
    }));
    expect((await provider.complete(callOf({ tools }))).droppedParams).toEqual(['tools']);
    const described = {
      type: 'object',
      properties: place.properties,
      description: `Where to\n\n${JSON.stringify({ anyOf })}`,
    };
    expect(upstream.requests[1].body.tools).toEqual([
      { name: 'f0', input_schema: place },
      { name: 'f1', input_schema: described },
    ]);
  });

  it('leads to an error if the simplified form is rejected too', async () => {
    refuse('', 'output_config.format.schema: Schema is too complex');
    await expect(provider.complete(callOf({ response_format: format }))).rejects.toMatchObject({ status: 400 });
    expect(upstream.requests).toHaveLength(2);
  });
});
