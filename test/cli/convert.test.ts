import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { type ConvertOptions, convertRouterBenchFile } from '../../src/cli/convert.ts';
import { run } from '../../src/cli/program.ts';
import { loadRecordedOutcomes } from '../../src/recorded/recorded-outcomes.ts';

const folder = mkdtempSync(join(tmpdir(), 'mixllm-convert-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the command in this process. @returns what it prints */
async function convert(file: string, options: ConvertOptions = {}) {
  const [out, err]: string[][] = [[], []];
  const spies = [
    vi.spyOn(console, 'log').mockImplementation((line) => out.push(line)),
    vi.spyOn(console, 'error').mockImplementation((line) => err.push(line)),
    vi.spyOn(process.stderr, 'write').mockReturnValue(true),
  ];
  await convertRouterBenchFile(file, options).finally(() => {
    for (const spy of spies) spy.mockRestore();
  });
  return { out: out.join('\n'), err: err.join('\n') };
}

const MODELS = ['maker/one-V1.2', 'two'];
const HEADER = [
  'sample_id',
  'prompt',
  'eval_name',
  ...MODELS,
  ...MODELS.map((model) => `${model}|model_response`),
  ...MODELS.map((model) => `${model}|total_cost`),
  'oracle_model_to_route_to',
];
type Cell = string | number | null;
const row = (id: string, prompt: string, task: string, scores: Cell[], costs: Cell[]) => [
  ...[id, prompt, task],
  ...scores,
  ...["['A,\\nB']", '["it\'s"]'],
  ...costs,
  'no_model_correct',
];
const TABLE = [
  row('mbpp.1', `['Say "hi",\\nthen stop; it\\'s late.']`, 'mbpp', [1, 0.25], [0.001, 0.002]),
  row('mmlu.7', "['Be brief.', 'Which is 汉?']", 'mmlu-anatomy', [0, 1], [7.4e-5, 0.003]),
  row('mmlu.8', "['Lacks a score']", 'mmlu-anatomy', [null, 1], [7.4e-5, 0.003]),
  row('mtb.1', "['Of another scale']", 'mtbench', [1, 7.5], [7.4e-5, 0.003]),
  row('last', 'A plain prompt', 'hellaswag', [0.75, 1], [0, 1.5]),
];

function writeCsv(name: string, table: readonly (readonly Cell[])[]): string {
  const quoted = (cell: Cell) =>
    /[",\n]/.test(String(cell ?? '')) ? `"${String(cell).replaceAll('"', '""')}"` : (cell ?? '');
  const text = [HEADER, ...table].map((cells) => cells.map(quoted).join(',')).join('\r\n');
  const file = join(folder, name);
  writeFileSync(file, name.endsWith('.gz') ? gzipSync(text) : `\ufeff${text}\r\n`);
  return file;
}

type Codec = Pick<Parameters<typeof parquetWriteBuffer>[0], 'codec' | 'compressors'>;

function writeParquet(name: string, codec: Codec = {}): string {
  const columnData = HEADER.map((column, i) => ({ name: column, data: TABLE.map((cells) => cells[i]) }));
  const file = join(folder, name);
  // Two rows per group, so the file is read in three parts.
  writeFileSync(file, Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize: 2, ...codec })));
  return file;
}

const EXPECTED = [
  { id: 'mbpp.1', task: 'mbpp', text: 'Say "hi",\nthen stop; it\'s late.', quality: [1, 0.25], cost: [0.001, 0.002] },
  { id: 'mmlu.7', task: 'mmlu-anatomy', text: 'Be brief.\nWhich is 汉?', quality: [0, 1], cost: [7.4e-5, 0.003] },
  { id: 'last', task: 'hellaswag', text: 'A plain prompt', quality: [0.75, 1], cost: [0, 1.5] },
];

describe('mixllm convert routerbench', () => {
  it.each([
    ['CSV', () => writeCsv('table.csv', TABLE)],
    ['gzipped CSV', () => writeCsv('packed.csv.gz', TABLE)],
    ['Parquet (Snappy)', () => writeParquet('table-snappy.parquet')],
    [
      'Parquet (Zstandard), whatever it is called',
      () => writeParquet('zstd.data', { codec: 'ZSTD', compressors: { ZSTD: (bytes) => zstdCompressSync(bytes) } }),
    ],
  ])('converts %s to recorded outcomes', async (_, write) => {
    const out = join(folder, 'out', `${basename(write())}.jsonl.gz`);
    const printed = await convert(write(), { out });
    expect(printed.out).toMatch(/5 queries of 4 tasks, 2 models/);
    expect(printed.err).toContain('two: the score is not a number from 0 to 1 in 1 rows, first "7.5" in row 4');
    expect(printed.err).toContain('maker/one-V1.2: no score in 1 rows, first in row 3');
    const data = await loadRecordedOutcomes(out);
    expect(data.models).toEqual(MODELS);
    expect(data.queries).toEqual(EXPECTED);
    expect(data.leftOut).toEqual({ incomplete: 2, costless: 0, repeated: 0 });
  });

  it('writes beside the table, uncompressed on request, and overwrites only with --force', async () => {
    const table = writeCsv('beside.csv', TABLE);
    await convert(table);
    const out = join(folder, 'beside.jsonl.gz');
    const before = readFileSync(out);
    await expect(convert(table)).rejects.toThrow(/beside\.jsonl\.gz already exists.*--force/);
    writeCsv('beside.csv', TABLE.slice(0, 1));
    expect(readFileSync(out)).toEqual(before);
    await convert(table, { force: true });
    expect((await loadRecordedOutcomes(out)).queries).toEqual(EXPECTED.slice(0, 1));
    await convert(table, { out: join(folder, 'plain.jsonl') });
    expect(readFileSync(join(folder, 'plain.jsonl'), 'utf8')).toMatch(/^\{"id":"mbpp\.1".*\}\n$/);
  });

  it('rejects a pickle and says how to convert it to Parquet', async () => {
    const file = join(folder, 'routerbench_0shot.pkl');
    writeFileSync(file, Buffer.from([0x80, 5, 0x95, 0]));
    const refused = run(['node', 'mixllm', 'convert', 'routerbench', file]);
    await expect(refused).rejects.toThrow(/is a Python pickle/);
    await expect(refused).rejects.toThrow(
      `import sys, pandas; table = pandas.read_pickle(sys.argv[1]); table[[c for c in table if not c.endswith('|model_response')]].to_parquet(sys.argv[2])" ${file} ${join(folder, 'routerbench_0shot.parquet')}`,
    );
  });

  it('names the file and the problem, and leaves no output behind', async () => {
    const damaged = writeParquet('damaged.parquet');
    const bytes = readFileSync(damaged);
    writeFileSync(damaged, bytes.subarray(0, bytes.length - 20));
    const uneven = writeCsv('uneven.csv', [...TABLE, ['too', 'short']]);
    const other = join(folder, 'other.csv');
    writeFileSync(other, 'a,b\n1,2\n');
    const lz4 = writeParquet('lz4.parquet', { codec: 'LZ4', compressors: { LZ4: (data) => brotliCompressSync(data) } });
    await expect(convert(join(folder, 'none.csv'))).rejects.toThrow(/Cannot read .*none\.csv/);
    await expect(convert(damaged)).rejects.toThrow(/Cannot read .*damaged\.parquet/);
    await expect(convert(uneven)).rejects.toThrow(/Cannot read .*uneven\.csv.*line 7/);
    await expect(convert(other)).rejects.toThrow(/other\.csv is not RouterBench's.*Found: a, b/);
    const latin1 = join(folder, 'latin1.csv');
    writeFileSync(
      latin1,
      Buffer.from(readFileSync(writeCsv('utf8.csv', TABLE), 'utf8').replace('mbpp', 'é'), 'latin1'),
    );
    const gzipped = join(folder, 'gzipped.csv');
    writeFileSync(gzipped, gzipSync('a,b\n1,2\n'));
    await expect(convert(latin1)).rejects.toThrow(/Cannot read .*latin1\.csv: it is not UTF-8/);
    await expect(convert(gzipped)).rejects.toThrow(/gzipped\.csv is gzipped: its name must end in \.gz/);
    await expect(convert(lz4)).rejects.toThrow(/Cannot read .*lz4\.parquet/);
    expect(
      readdirSync(folder).filter((name) => /(damaged|uneven|other|lz4|latin1|gzipped).*jsonl|tmp/.test(name)),
    ).toEqual([]);
  });
});
