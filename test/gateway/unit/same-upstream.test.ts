import { expect, it } from 'vitest';
import { isSameUpstream, type Runtime } from '../../../src/gateway/runtime.ts';
import { armOf } from '../../routing/support.ts';

const arm = armOf('a', { provider: 'p' });
/** Providers are told apart as objects: one whose settings change is made anew. */
const provider = {};
const runtimeOf = (arms: Runtime['arms'], of: object = provider) =>
  ({ arms, providers: new Map([['p', of]]) }) as unknown as Runtime;

it.each([
  ['nothing that matters', runtimeOf([armOf('a', { provider: 'p', usd: 5 })]), true],
  ['the provider', runtimeOf([armOf('a', { provider: 'q' })]), false],
  ['the address of the provider', runtimeOf([arm], {}), false],
  ['the model', runtimeOf([{ ...arm, upstreamModel: 'a-2' }]), false],
  ['that it is gone', runtimeOf([armOf('b', { provider: 'p' })]), false],
])('an arm has the same upstream as before unless that has changed: %s', (_, now, isSame) => {
  expect(isSameUpstream(arm, runtimeOf([arm]), now)).toBe(isSame);
});
