import { describe, expect, it } from 'vitest';
import { ProgressLine } from '../../src/cli/progress-line.ts';
import { renderTable } from '../../src/cli/table.ts';
import { ManualClock } from '../support/manual-clock.ts';

describe('renderTable', () => {
  it('aligns numbers right and text left', () => {
    const rows = [
      ['sim-small', '0.5', '$1.20'],
      ['sim-frontier', '12.25', ''],
    ];
    expect(renderTable(['model', 'quality', 'cost'], rows)).toBe(
      [
        'model         quality   cost',
        '------------  -------  -----',
        'sim-small         0.5  $1.20',
        'sim-frontier    12.25',
        '',
      ].join('\n'),
    );
  });

  it('follows the given alignment, and accepts missing cells', () => {
    expect(renderTable(['a', 'b'], [['xx'], ['1', '2%']], { align: ['right', 'left'] })).toBe(
      ' a  b\n--  --\nxx\n 1  2%\n',
    );
    expect(renderTable(['a'], [])).toBe('a\n-\n');
  });

  it('escapes control characters in names, and keeps a row on one line', () => {
    expect(renderTable(['a\u001b[2J'], [['b\u009b31m\nc']])).toBe(
      ['a\\u001b[2J', '-------------', 'b\\u009b31m\\nc', ''].join('\n'),
    );
  });

  it('fits 100 columns by shortening text, never numbers', () => {
    const table = renderTable(['name', 'note', 'n'], [['x'.repeat(90), 'é'.repeat(80), '1234567.89']]);
    const lines = table.trimEnd().split('\n');
    for (const line of lines) expect(Array.from(line).length).toBe(lines[0] === line ? line.length : 100);
    expect(table).toContain('…');
    expect(table).toContain('1234567.89');
  });
});

function recorder(isTTY: boolean, columns?: number) {
  const written: string[] = [];
  return { written, stream: { isTTY, columns, write: (text: string) => written.push(text) } };
}

describe('ProgressLine', () => {
  it('redraws one line on a terminal, and ends it', () => {
    const { written, stream } = recorder(true, 10);
    const clock = new ManualClock();
    const progress = new ProgressLine(stream, clock);
    progress.update('1/3');
    progress.update('2/3');
    clock.advance(100);
    progress.update('a long line of text');
    progress.done('3/3');
    progress.done();
    expect(written).toEqual(['\r1/3\u001b[K', '\ra long l…\u001b[K', '\r3/3\u001b[K', '\n']);
  });

  it('shows a complete line on a terminal of unknown size', () => {
    const { written, stream } = recorder(true, 0);
    new ProgressLine(stream, new ManualClock()).update('7/10 runs');
    expect(written).toEqual(['\r7/10 runs\u001b[K']);
  });

  it('prints plain lines elsewhere, at most one every five seconds', () => {
    const { written, stream } = recorder(false);
    const clock = new ManualClock();
    const progress = new ProgressLine(stream, clock);
    for (let i = 0; i <= 100; i++) {
      progress.update(`${i}%`);
      clock.advance(100);
    }
    progress.done('done');
    expect(written).toEqual(['0%\n', '50%\n', '100%\n', 'done\n']);
  });

  it('ends with the last state, even if it was not shown yet, and repeats nothing', () => {
    const { written, stream } = recorder(false);
    const progress = new ProgressLine(stream, new ManualClock());
    progress.update('43 %');
    progress.update('100 %');
    progress.done();
    progress.done();
    expect(written).toEqual(['43 %\n', '100 %\n']);
  });
});
