import { afterEach, describe, expect, it, vi } from 'vitest';
import { options } from '../../bench/support/options.ts';

afterEach(() => void vi.restoreAllMocks());

describe('the options of a benchmark script', () => {
  const parsed = (...argv: string[]) => {
    const usual = { kills: '30', aborts: '0.05', connections: '1,16', only: 'ours', out: '' };
    return options('bench', '', usual, ['node', 'bench', ...argv]);
  };

  it('are the defaults, overridden by the given ones', () => {
    const said = ['--kills', '2', '--aborts', '0', '--connections', '64', '--out', 'a.md'];
    expect(parsed(...said)).toEqual({ kills: '2', aborts: '0', connections: '64', only: 'ours', out: 'a.md' });
  });

  it.each(['--kills=abc', '--kills=0', '--kills=', '--aborts=2', '--connections=1,x'])('reject %s', (wrong) => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    vi.spyOn(process, 'exit').mockImplementation((code) => {
      throw new Error(`exit ${code}`);
    });
    expect(() => parsed(wrong)).toThrow('exit 1');
  });
});
