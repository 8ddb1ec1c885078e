import type { Featurizer } from '../features/featurizer.ts';

/**
 * The gateway's context x for a chat with a single turn that consists of this text: length d, x[0] = 1.
 * @throws the embedder's error
 */
export async function textContext(text: string, featurizer: Featurizer): Promise<Float64Array> {
  const { context, failure } = await featurizer.featurize({
    model: 'auto',
    messages: [{ role: 'user', content: text }],
  });
  if (failure) throw failure;
  return Float64Array.from(context.values);
}
