import { expect, it } from 'vitest';
import { isSameUpstream, type Runtime } from '../../../src/gateway/runtime.ts';
import { armOf } from '../../routing/support.ts';

const arm = armOf('a', { provider: 'p' });
/** Providers are compared as objects: changed settings make a new object. */
const provider = {};
const runtimeOf = (arms: Runtime['arms'], of: object = provider) =>
  ({ arms, providers: new Map([['p', of]]) }) as unknown as Runtime;

it.each([
  ['nothing that matters', runtimeOf([armOf('a', { provider: 'p', usd: 5 })]), true],
  ['the provider', runtimeOf([armOf('a', { provider: 'q' })]), false],
  ['the address of the provider', runtimeOf([arm], {}), false],
  ['the model', runtimeOf([{ ...arm, upstreamModel: 'a-2' }]), false],
  ['that it is gone', runtimeOf([armOf('b', { provider: 'p' })]), false],
])("knows whether an arm's upstream is still the same after this change: %s", (_, now, isSame) => {
  expect(isSameUpstream(arm, runtimeOf([arm]), now)).toBe(isSame);
});
