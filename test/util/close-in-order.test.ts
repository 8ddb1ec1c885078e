import { expect, it } from 'vitest';
import { closeInOrder } from '../../src/util/close-in-order.ts';

it('closeInOrder runs each step after the previous one, and rejects with the first failure', async () => {
  const seen: string[] = [];
  const step = (name: string, failure?: Error) => async () => {
    seen.push(`${name} begins`);
    await Promise.resolve();
    seen.push(`${name} ends`);
    if (failure) throw failure;
  };
  const first = new Error('first');
  const closing = closeInOrder(step('a'), step('b', first), step('c', new Error('second')), step('d'));
  await expect(closing).rejects.toBe(first);
  expect(seen).toEqual(['a', 'b', 'c', 'd'].flatMap((name) => [`${name} begins`, `${name} ends`]));
  await closeInOrder(step('e'));
});
