import { expect, it } from 'vitest';
import { OneAtATime } from '../../src/util/one-at-a-time.ts';

function setUp() {
  const ends: (() => void)[] = [];
  const work = new OneAtATime(() => new Promise((resolve) => void ends.push(resolve)));
  return { ends, work };
}

it('runs once more for any number of requests made while it runs', async () => {
  const { ends, work } = setUp();
  for (let i = 0; i < 3; i++) work.ask();
  expect(ends).toHaveLength(1);
  const first = work.running;
  ends[0]();
  await first;
  expect(ends).toHaveLength(2);
  const idle = work.idle();
  ends[1]();
  await idle;
  expect([ends.length, work.running]).toEqual([2, null]);
});

it('waits for the work that occupies its place', async () => {
  const { ends, work } = setUp();
  const { promise, resolve: end } = Promise.withResolvers<void>();
  work.occupy(promise);
  work.ask();
  const other = work.running;
  expect(ends).toHaveLength(0);
  end();
  await other;
  expect(ends).toHaveLength(1);
});
