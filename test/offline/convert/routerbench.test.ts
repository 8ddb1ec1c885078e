import { describe, expect, it } from 'vitest';
import { ConversionReport } from '../../../src/offline/convert/conversion-report.ts';
import { convertRouterBenchRow, routerBenchLayout } from '../../../src/offline/convert/routerbench.ts';

const MODELS = ['maker/a-1.2', 'b'];
const PUBLISHED = [
  'sample_id',
  'prompt',
  'eval_name',
  ...MODELS,
  ...MODELS.map((model) => `${model}|model_response`),
  ...MODELS.map((model) => `${model}|total_cost`),
  'oracle_model_to_route_to',
];
const layout = routerBenchLayout(PUBLISHED);

/** Cells in the order of the layout: id, prompt, task, score and cost of a, score and cost of b. */
const convert = (cells: Partial<{ id: unknown; prompt: unknown; task: unknown; a: unknown[]; b: unknown[] }> = {}) => {
  const { id, prompt, task, a, b } = { id: 'x.1', prompt: 'Why?', task: 't', a: [1, 0.5], b: [0, 0.25], ...cells };
  return convertRouterBenchRow(layout, [id, prompt, task, ...a, ...b], 7);
};

describe('routerBenchLayout', () => {
  it('finds the models, and reads neither answers nor the oracle', () => {
    expect(layout.models).toEqual(MODELS);
    expect(layout.columns).toEqual([
      'sample_id',
      'prompt',
      'eval_name',
      'maker/a-1.2',
      'maker/a-1.2|total_cost',
      'b',
      'b|total_cost',
    ]);
  });

  it('needs no answers, and ignores unknown columns', () => {
    const columns = ['', 'b', 'b|total_cost', 'eval_name', 'prompt', 'embedding', 'sample_id', 'split'];
    expect(routerBenchLayout(columns).models).toEqual(['b']);
  });

  it.each([
    [['a', 'b'], /no column sample_id, prompt, eval_name\..*Found: a, b\./],
    [[], /Found: nothing/],
    [PUBLISHED.filter((column) => column !== 'eval_name'), /no column eval_name\./],
    [['sample_id', 'prompt', 'eval_name', 'score'], /no column of a model's scores/],
    [PUBLISHED.filter((column) => column !== 'b|total_cost'), /no column b\|total_cost/],
  ])('says what is missing from %j', (columns, message) => {
    expect(() => routerBenchLayout(columns)).toThrow(message);
  });
});

describe('convertRouterBenchRow', () => {
  it('converts a row to one line', () => {
    expect(convert()).toEqual({
      row: {
        id: 'x.1',
        task: 't',
        prompt: 'Why?',
        models: { 'maker/a-1.2': { quality: 1, cost: 0.5 }, b: { quality: 0, cost: 0.25 } },
      },
      problems: [],
    });
  });

  it.each([
    ["['Why?']", 'Why?'],
    [`['Answer in French.', "What's up?"]`, "Answer in French.\nWhat's up?"],
    [['Answer in French.', 'Why?'], 'Answer in French.\nWhy?'],
    ["['broken", "['broken"],
    ['[1, 2] is a list', '[1, 2] is a list'],
  ])('reads the prompt %j', (prompt, text) => {
    expect(convert({ prompt })?.row.prompt).toBe(text);
  });

  it.each([null, undefined, '', "['']", '[]', [[]]])('leaves out a row whose prompt is %j', (prompt) => {
    expect(convertRouterBenchRow(layout, ['x', prompt, 't', 1, 0.5, 1, 0.5], 1)).toBeNull();
  });

  it('names a row without an id by its number', () => {
    expect(convert({ id: null, task: '' })?.row).toMatchObject({ id: 'row-7', task: null });
  });

  it.each([
    ['0.75', '1e-05', 0.75, 0.00001],
    [' 1.0 ', '0', 1, 0],
    ['True', 3, 1, 3],
    [false, 1n, 0, 1],
  ])('reads the score %s at the cost %s', (score, cost, quality, usd) => {
    const converted = convert({ a: [score, cost] });
    expect(converted?.row.models['maker/a-1.2']).toEqual({ quality, cost: usd });
    expect(converted?.problems).toEqual([]);
  });

  it.each([null, undefined, '', ' ', 'nan', 'NaN', 'None', '<NA>', Number.NaN])('treats %j as missing', (cell) => {
    const converted = convert({ b: [cell, cell] });
    expect(converted?.row.models.b).toEqual({ quality: null, cost: null });
    expect(converted?.problems).toEqual([
      { model: 'b', what: 'score', found: null },
      { model: 'b', what: 'cost', found: null },
    ]);
  });

  it.each([[1.5], [-0.1], ['7'], ['good'], ['0x'], ['inf'], [Number.POSITIVE_INFINITY]])(
    'rejects %j as a score, and reports it',
    (cell) => {
      const converted = convert({ b: [cell, 0.1] });
      expect(converted?.row.models.b).toEqual({ quality: null, cost: 0.1 });
      expect(converted?.problems).toEqual([{ model: 'b', what: 'score', found: String(cell) }]);
    },
  );

  it.each([[-1], ['$3'], [Number.POSITIVE_INFINITY]])('rejects %j as a cost, and reports it', (cell) => {
    expect(convert({ b: [1, cell] })?.problems).toEqual([{ model: 'b', what: 'cost', found: String(cell) }]);
  });
});

describe('ConversionReport', () => {
  it('reports nothing if all is well', () => {
    const report = new ConversionReport();
    report.addRow('t', 1, []);
    expect(report.notes()).toEqual([]);
  });

  it('counts missing and invalid values per model', () => {
    const report = new ConversionReport();
    report.addRow('t', 1, []);
    report.addRow('t', 2, [{ model: 'b', what: 'score', found: '7' }]);
    report.addRow('u', 3, [
      { model: 'b', what: 'score', found: '9' },
      { model: 'b', what: 'score', found: null },
      { model: 'c', what: 'cost', found: null },
    ]);
    report.promptless = 2;
    expect(report).toMatchObject({ rows: 3, incomplete: 2, tasks: new Set(['t', 'u']) });
    expect(report.notes()).toEqual([
      'b: the score is not a number from 0 to 1 in 2 rows, first "7" in row 2',
      'b: no score in 1 rows, first in row 3',
      'c: no cost in 1 rows, first in row 3',
      '2 rows have no prompt and were left out',
      '2 lines lack a score or a cost for some model (null in the file); evaluation and bench leave them out and count them',
    ]);
  });
});
