import type { Path } from './yaml-file.ts';

/** The members that a schema of any kind may have at run time. */
interface SchemaInside {
  shape?: Record<string | number, unknown>;
  element?: unknown;
  valueType?: unknown;
  options?: readonly unknown[];
  def?: { innerType?: unknown; in?: unknown; defaultValue?: unknown };
}

/** Lists the settings known at a path of the schema, as a hint for a misspelt one. */
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
 * Drops sections whose lines are all commented out. YAML reads them as null, and they mean the same as absent ones. A
 * section without a default is kept, because naming it may mean something.
 */
export function withoutEmptySections(value: unknown, schema: unknown): unknown {
  const shape = shapeOf(schema);
  if (!shape || typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const settings = Object.entries(value).filter(([name, setting]) => setting !== null || !isSection(shape[name]));
  return Object.fromEntries(settings.map(([name, setting]) => [name, withoutEmptySections(setting, shape[name])]));
}

/** True for a mapping or a list with a default. */
function isSection(schema: unknown): boolean {
  const { element, valueType } = unwrapped(schema);
  return hasDefault(schema) && Boolean(shapeOf(schema) || element || valueType);
}

function hasDefault(schema: unknown): boolean {
  let current = schema as SchemaInside | undefined;
  while (current?.def && !('defaultValue' in current.def)) current = within(current) as SchemaInside | undefined;
  return current?.def !== undefined;
}

/** The settings of a mapping, also when the schema accepts a word instead: `off`, or a mapping. */
function shapeOf(schema: unknown): SchemaInside['shape'] {
  const inner = unwrapped(schema);
  return inner.shape ?? inner.options?.map(unwrapped).find((option) => option.shape)?.shape;
}

/** The schema that a default or a transformation wraps. */
function within({ def }: SchemaInside): unknown {
  return def?.innerType ?? def?.in;
}

function unwrapped(schema: unknown): SchemaInside {
  let current = (schema ?? {}) as SchemaInside;
  for (let inner = within(current); inner; inner = within(current)) current = inner as SchemaInside;
  return current;
}
