import { expect, it } from 'vitest';
import { LogThrottle } from '../../src/util/log-throttle.ts';
import { ManualClock } from '../support/manual-clock.ts';

it('logs the first, then one per interval, with the number suppressed in between', () => {
  const clock = new ManualClock();
  const seldom = new LogThrottle(clock, 1000);
  const said: number[] = [];
  for (let i = 0; i < 25; i++) {
    seldom.say((suppressed) => said.push(suppressed));
    clock.advance(100);
  }
  expect(said).toEqual([0, 9, 9]);
});

it('logs the next failure at once if things worked in between', () => {
  const seldom = new LogThrottle(new ManualClock());
  const said: number[] = [];
  const fail = () => seldom.say((suppressed) => said.push(suppressed));
  for (let i = 0; i < 3; i++) fail();
  seldom.over();
  fail();
  expect(said).toEqual([0, 0]);
});
