import { expect, it } from 'vitest';
import { LogThrottle } from '../../src/util/log-throttle.ts';
import { ManualClock } from '../support/manual-clock.ts';

it('says the first, then one in a while, with how many were not said', () => {
  const clock = new ManualClock();
  const seldom = new LogThrottle(clock, 1000);
  const said: number[] = [];
  for (let i = 0; i < 25; i++) {
    seldom.say((suppressed) => said.push(suppressed));
    clock.advance(100);
  }
  expect(said).toEqual([0, 9, 9]);
});

it('says the next at once where what was failing has worked in between', () => {
  const seldom = new LogThrottle(new ManualClock());
  const said: number[] = [];
  const fail = () => seldom.say((suppressed) => said.push(suppressed));
  for (let i = 0; i < 3; i++) fail();
  seldom.over();
  fail();
  expect(said).toEqual([0, 0]);
});
