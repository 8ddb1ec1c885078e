import { z } from 'zod';
import type { SquareMatrix, Vector } from '../util/linear-algebra.ts';
import type { ArmSums } from './arm-sums.ts';
import type { PolicySums } from './linear-policy.ts';

/** What recorded outcomes teach, ready to be added to what a policy has learned. */
export interface WarmStart {
  /** Id of the feature map that made the contexts, and their length d. */
  featureMap: string;
  dimensions: number;
  /** The command that created the warm start. */
  command: string;
  /**
   * Ids of some of the gateway decisions among the outcomes: a log that contains one of them already teaches these
   * outcomes itself.
   */
  decisions: readonly string[];
  sums: PolicySums;
}

/** One file of outcomes, for people to read. */
export interface WarmStartSource {
  file: string;
  sha256: string;
  /** The number of its lines, and how many of them taught something. */
  rows: number;
  used: number;
}

const FORMAT = 'mixllm-arms-1';

const numbers = z.array(z.number());
const sumsSchema = z.object({
  weight: z.number().nonnegative(),
  squares: z.number().nonnegative(),
  response: numbers,
  /** A = Σ w x xᵀ is symmetric: rows up to the diagonal. */
  precision_rows: z.array(numbers),
});
const correctionSchema = z.object({
  actual: z.number().nonnegative(),
  predicted: z.number().nonnegative(),
  count: z.number().nonnegative(),
});
/** As in files of earlier versions. It is not used: a few answers teach it anew. */
const formerCorrectionSchema = z
  .object({ ratios: z.number().nonnegative(), count: z.number().nonnegative() })
  .transform(() => null);
const fileSchema = z.object({
  format: z.literal(FORMAT, { error: `its format is not ${FORMAT}` }),
  feature_map: z.string(),
  dimensions: z.number().int().positive(),
  command: z.string(),
  decisions: z.array(z.string()),
  arms: z.record(
    z.string(),
    z.object({
      quality: sumsSchema.nullable(),
      length: sumsSchema.nullable(),
      correction: z.union([correctionSchema, formerCorrectionSchema]).nullable(),
    }),
  ),
});

type StoredSums = z.infer<typeof sumsSchema>;

/** Formats the text of the file. Every number is preserved bit for bit, and the arms are in order of their ids. */
export function formatWarmStart(warmStart: WarmStart, date: Date, sources: readonly WarmStartSource[]): string {
  const { featureMap, dimensions, command, decisions, sums } = warmStart;
  const ids = [...new Set([...sums.quality.keys(), ...sums.length.keys()])].sort();
  const file: z.input<typeof fileSchema> & { date: string; sources: readonly WarmStartSource[] } = {
    format: FORMAT,
    feature_map: featureMap,
    dimensions,
    command,
    date: date.toISOString(),
    sources,
    decisions: [...decisions],
    arms: Object.fromEntries(
      ids.map((id) => [
        id,
        {
          quality: stored(sums.quality.get(id), dimensions),
          length: stored(sums.length.get(id), dimensions),
          correction: Object.hasOwn(sums.correction, id) ? sums.correction[id] : null,
        },
      ]),
    ),
  };
  // One line per vector keeps the file readable.
  return `${JSON.stringify(file, null, 1).replace(/\[[-\d.e,\s+]*\]/g, (vector) => vector.replace(/\s+/g, ''))}\n`;
}

/**
 * Parses the file and checks only its format. Whether the sums are consistent shows only when they are added.
 * @throws Error that says what is wrong with the text
 */
export function parseWarmStart(text: string): WarmStart {
  const parsed = fileSchema.safeParse(JSON.parse(text));
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues;
    throw new Error(`${path.join('.') || 'the file'}: ${message}`);
  }
  const { feature_map: featureMap, dimensions, command, decisions, arms } = parsed.data;
  const known = <T>(of: (arm: (typeof arms)[string]) => T | null) =>
    Object.entries(arms).flatMap(([id, arm]): [string, T][] => {
      const value = of(arm);
      return value === null ? [] : [[id, value]];
    });
  const sumsOf = (kind: 'quality' | 'length') =>
    new Map(known((arm) => arm[kind]).map(([id, sums]) => [id, restored(sums, dimensions)]));
  const correction = Object.fromEntries(known((arm) => arm.correction));
  return {
    featureMap,
    dimensions,
    command,
    decisions,
    sums: { quality: sumsOf('quality'), length: sumsOf('length'), correction },
  };
}

function stored(sums: ArmSums | undefined, d: number): StoredSums | null {
  if (!sums || sums.weight === 0) return null;
  const { weight, squares, response, precision } = sums;
  const rows = Array.from({ length: d }, (_, row) => Array.from(precision.subarray(row * d, row * d + row + 1)));
  return { weight, squares, response: Array.from(response), precision_rows: rows };
}

function restored({ weight, squares, response, precision_rows }: StoredSums, d: number): ArmSums {
  return { weight, squares, response: vector(response, d), precision: symmetric(precision_rows, d) };
}

function vector(values: readonly number[], length: number): Vector {
  if (values.length !== length) throw new Error(`a vector has ${values.length} numbers instead of ${length}`);
  return Float64Array.from(values);
}

function symmetric(rows: readonly (readonly number[])[], d: number): SquareMatrix {
  if (rows.length !== d) throw new Error(`a matrix has ${rows.length} rows instead of ${d}`);
  const matrix = new Float64Array(d * d);
  for (const [i, row] of rows.entries()) {
    for (const [j, value] of vector(row, i + 1).entries()) matrix[i * d + j] = matrix[j * d + i] = value;
  }
  return matrix;
}
