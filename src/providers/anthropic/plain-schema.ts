import { isJsonObject, type JsonObject } from '../../domain/chat.ts';

/** Keywords of Anthropic's structured outputs: those copied unchanged, and those that contain further schemas. */
const KEPT = new Set(['$ref', 'type', 'enum', 'const', 'required', 'default', 'title', 'description']);
const NAMED_SCHEMAS = new Set(['properties', '$defs', 'definitions']);
const LISTED_SCHEMAS = new Set(['anyOf', 'allOf', 'oneOf']);
const FORMATS = new Set('date-time time date duration email hostname uri ipv4 ipv6 uuid'.split(' '));

/**
 * Removes from a JSON schema the constraints that Anthropic rejects with a 400: bounds on numbers and lengths,
 * patterns, open objects. They are moved into the description, as in Anthropic's own SDKs, so that the model still
 * reads them.
 */
export function plainSchema(schema: unknown): unknown {
  if (!isJsonObject(schema)) return schema;
  const plain: JsonObject = {};
  const told: string[] = [];
  for (const [keyword, value] of Object.entries(schema)) {
    const taken = plainKeyword(keyword, value);
    if (taken) plain[taken.keyword] = taken.value;
    else if (isConstraint(keyword, value)) told.push(`${keyword}: ${JSON.stringify(value)}`);
  }
  if (schema.type === 'object' || schema.properties !== undefined) plain.additionalProperties = false;
  if (told.length === 0) return plain;
  const { description } = plain;
  const constraints = `{${told.join(', ')}}`;
  return { ...plain, description: typeof description === 'string' ? `${description}\n\n${constraints}` : constraints };
}

/**
 * Excludes the dialect (`$schema`), which constrains nothing, and `additionalProperties`, because objects are closed in
 * any case.
 */
function isConstraint(keyword: string, value: unknown): boolean {
  return keyword !== '$schema' && !(keyword === 'additionalProperties' && typeof value === 'boolean');
}

/** Null for a keyword that Anthropic does not accept, or does not accept with this value. */
function plainKeyword(keyword: string, value: unknown): { keyword: string; value: unknown } | null {
  const isTaken =
    KEPT.has(keyword) ||
    (keyword === 'format' && FORMATS.has(String(value))) ||
    (keyword === 'minItems' && (value === 0 || value === 1));
  if (isTaken) return { keyword, value };
  if (keyword === 'items' && isJsonObject(value)) return { keyword, value: plainSchema(value) };
  if (NAMED_SCHEMAS.has(keyword) && isJsonObject(value)) {
    const schemas = Object.entries(value).map(([name, schema]) => [name, plainSchema(schema)]);
    return { keyword, value: Object.fromEntries(schemas) };
  }
  if (LISTED_SCHEMAS.has(keyword) && Array.isArray(value)) {
    return { keyword: keyword === 'oneOf' ? 'anyOf' : keyword, value: value.map(plainSchema) };
  }
  return null;
}
