import { expect, it } from 'vitest';
import { AtMostEvery } from '../../src/util/at-most-every.ts';
import { ManualClock } from '../support/manual-clock.ts';

it('says the first, then one in a while, with how many were not said', () => {
  const clock = new ManualClock();
  const seldom = new AtMostEvery(clock, 1000);
  const said: number[] = [];
  for (let i = 0; i < 25; i++) {
    seldom.say((unsaid) => said.push(unsaid));
    clock.advance(100);
  }
  expect(said).toEqual([0, 9, 9]);
});

it('says the next at once where what was failing has worked in between', () => {
  const seldom = new AtMostEvery(new ManualClock());
  const said: number[] = [];
  const fail = () => seldom.say((unsaid) => said.push(unsaid));
  for (let i = 0; i < 3; i++) fail();
  seldom.over();
  fail();
  expect(said).toEqual([0, 0]);
});
