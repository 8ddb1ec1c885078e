import { Gauge } from 'prom-client';
import { expect, it } from 'vitest';
import { FormerSeries } from '../../../src/gateway/former-series.ts';
import { Metrics } from '../../../src/gateway/metrics.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const MINUTE = 60_000;

function setUp() {
  const [metrics, clock] = [new Metrics(), new ManualClock()];
  const series = new FormerSeries(metrics, clock);
  const use = (model: string, key: string) => {
    metrics.requests.inc({ model, provider: 'p', status: '200' });
    metrics.fallbacks.inc({ from: 'a', to: model });
    metrics.fallbacks.inc({ from: model, to: 'a' });
    metrics.upstreamSeconds.observe({ model }, 1.5);
    metrics.keyDecisions.inc({ key });
  };
  /** After the clock's callbacks are done. */
  const text = async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return metrics.registry.metrics();
  };
  return { metrics, clock, series, use, text };
}

it('removes the series of models and keys 15 minutes after they are gone, and no others', async () => {
  const { clock, series, use, text } = setUp();
  series.present('model', ['a', 'b']);
  series.present('key', ['shop', 'lab']);
  use('a', 'shop');
  use('b', 'lab');
  const before = await text();
  series.present('model', ['a']);
  clock.advance(10 * MINUTE);
  series.present('key', ['shop']);
  expect(await text()).toBe(before);
  clock.advance(5 * MINUTE);
  const later = await text();
  expect(later).not.toContain('="b"');
  expect(later).toContain('key="lab"');
  clock.advance(9 * MINUTE);
  expect(await text()).toContain('key="lab"');
  clock.advance(MINUTE);
  expect(await text()).not.toContain('key="lab"');
  const left = before.split('\n').filter((line) => !line.includes('="b"') && !line.includes('"lab"'));
  expect((await text()).split('\n')).toEqual(left);
});

it('keeps the series of a model that comes back', async () => {
  const { clock, series, use, text } = setUp();
  series.present('key', ['shop']);
  series.present('model', ['a', 'b']);
  use('b', 'shop');
  const before = await text();
  series.present('model', ['a']);
  clock.advance(10 * MINUTE);
  series.present('model', ['a', 'b']);
  clock.advance(60 * MINUTE);
  expect(await text()).toBe(before);
});

it('removes a series that a late update recreated at the next removal, without reading process metrics', async () => {
  const { metrics, clock, series, use, text } = setUp();
  let reads = 0;
  new Gauge({ name: 'of_the_process', help: 'x', registers: [metrics.registry], collect: () => void reads++ });
  series.present('model', ['a', 'b', 'c']);
  series.present('key', ['']);
  use('b', '');
  series.present('model', ['a', 'c']);
  clock.advance(20 * MINUTE);
  use('b', '');
  series.present('model', ['a']);
  clock.advance(15 * MINUTE);
  await new Promise((resolve) => setImmediate(resolve));
  expect(reads).toBe(0);
  const left = await text();
  expect(left).not.toContain('="b"');
  expect(left).toContain('mixllm_key_decisions_total{key=""} 2');
});
