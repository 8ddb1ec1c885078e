import { expect, it } from 'vitest';
import { StaleConnections } from '../../src/providers/stale-connections.ts';
import { UpstreamPools } from '../../src/providers/upstream-pools.ts';
import { ManualClock } from '../support/manual-clock.ts';

it('keeps pools that are in use, however many connect timeouts are configured', async () => {
  const pools = new UpstreamPools(null, new StaleConnections(new ManualClock()));
  const usual = pools.of(5000);
  const first = pools.of(1);
  for (let i = 2; i < 500; i++) {
    pools.of(i);
    expect(pools.of(5000)).toBe(usual);
  }
  expect(pools.of(499)).toBe(pools.of(499));
  // Unused for long: closed, and a new one is opened on request.
  expect(pools.of(1)).not.toBe(first);
  await expect(first.request({ origin: 'http://127.0.0.1:9', path: '/', method: 'GET' })).rejects.toThrow(
    /closed|destroyed/,
  );
  await pools.close();
});
