import { expect, it } from 'vitest';
import { run } from '../../src/cli/program.ts';

it.each([
  ['check a.yaml --config b.yaml', 'Two configs are given, a.yaml and b.yaml: give one.'],
  ['train features --corpus a.jsonl --model some/model', '--model some/model needs --embedder transformers'],
  ['train arms --data a.jsonl --config config/mixllm.yaml --out src', 'src is a folder; name a file in it.'],
])('%s is rejected before any work', async (line, told) => {
  await expect(run(['node', 'mixllm', ...line.split(' ')])).rejects.toThrow(told);
});
