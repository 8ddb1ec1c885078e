import { vi } from 'vitest';
import { run } from '../../src/cli/program.ts';

/**
 * Runs a `mixllm` command in this process, which saves loading it again.
 * @returns what it prints on standard output and on standard error
 * @throws the command's error; for invalid options, an Error "exit CODE: " with the message printed about them
 */
export async function runCommand(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const spies = [
    vi.spyOn(console, 'log').mockImplementation((line) => void out.push(line)),
    vi.spyOn(console, 'error').mockImplementation((line) => void err.push(line)),
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => err.push(String(text)) > 0),
    vi.spyOn(process, 'exit').mockImplementation((code) => {
      throw new Error(`exit ${code}: ${err.join('\n')}`);
    }),
  ];
  await run(['node', 'mixllm', ...args]).finally(() => {
    for (const spy of spies) spy.mockRestore();
  });
  return { stdout: out.join('\n'), stderr: err.join('\n') };
}
