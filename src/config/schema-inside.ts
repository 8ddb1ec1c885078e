import type { Path } from './yaml-file.ts';

/** What is known of a schema at run time, whatever its kind. */
interface SchemaInside {
  shape?: Record<string | number, unknown>;
  element?: unknown;
  valueType?: unknown;
  options?: readonly unknown[];
  def?: { innerType?: unknown; in?: unknown; defaultValue?: unknown };
}

/** The settings that are known at a path of the schema, as a hint for a misspelt one. */
export function knownSettings(path: Path, root: unknown): string {
  let schema = root;
  for (const part of path) {
    const inner = unwrapped(schema);
    schema = inner.shape?.[part] ?? inner.element ?? inner.valueType;
  }
  const shape = shapeOf(schema);
  return shape ? `; known here: ${Object.keys(shape).join(', ')}` : '';
}

/**
 * A section whose lines are all commented out is null in YAML: it says no more than one that is absent. Where it has no
 * default, naming it may mean something, and it stays.
 */
export function withoutEmptySections(value: unknown, schema: unknown): unknown {
  const shape = shapeOf(schema);
  if (!shape || typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const settings = Object.entries(value).filter(([name, setting]) => setting !== null || !isSection(shape[name]));
  return Object.fromEntries(settings.map(([name, setting]) => [name, withoutEmptySections(setting, shape[name])]));
}

/** A mapping or a list, and one with a default. */
function isSection(schema: unknown): boolean {
  const { element, valueType } = unwrapped(schema);
  return hasDefault(schema) && Boolean(shapeOf(schema) || element || valueType);
}

function hasDefault(schema: unknown): boolean {
  let current = schema as SchemaInside | undefined;
  while (current?.def && !('defaultValue' in current.def)) current = within(current) as SchemaInside | undefined;
  return current?.def !== undefined;
}

/** The settings of a mapping, also of one that may stand where a word may: `off`, or a mapping. */
function shapeOf(schema: unknown): SchemaInside['shape'] {
  const inner = unwrapped(schema);
  return inner.shape ?? inner.options?.map(unwrapped).find((option) => option.shape)?.shape;
}

/** What a default, or a transformation, is put around. */
function within({ def }: SchemaInside): unknown {
  return def?.innerType ?? def?.in;
}

function unwrapped(schema: unknown): SchemaInside {
  let current = (schema ?? {}) as SchemaInside;
  for (let inner = within(current); inner; inner = within(current)) current = inner as SchemaInside;
  return current;
}
