import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { modelCatalog } from '../../../src/config/model-catalog.ts';
import { EventLog } from '../../../src/gateway/event-log.ts';
import { Learner } from '../../../src/gateway/learning/learner.ts';
import { Metrics } from '../../../src/gateway/metrics.ts';
import { ModelAdmin } from '../../../src/gateway/model-admin.ts';
import { Load } from '../../../src/routing/load.ts';
import { parse } from '../../config/support.ts';
import { FakeStore } from '../../support/fake-store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { DIMENSIONS, FEATURE_MAP, RecordingLogger } from './support.ts';

const LOADED = parse(`
providers: { p: { type: openai, api_key: sk, base_url: 'http://127.0.0.1:1/v1' } }
models:
  - { id: a, provider: p, price: { input: 1, output: 2 } }
  - { id: b, provider: p, price: { input: 1, output: 2 } }
`);

it('ModelAdmin checks a change against earlier ones, even while the learner reads a long log', async () => {
  const [store, clock, metrics, log] = [new FakeStore(), new ManualClock(), new Metrics(), new RecordingLogger()];
  const parts = { clock, metrics, log };
  const eventLog = new EventLog(store, clock, metrics, log);
  const record = eventLog.record.bind(eventLog);
  const learner = new Learner({ ...parts, featureMap: FEATURE_MAP, dimensions: DIMENSIONS, store, record });
  store.readAfter = () => new Promise(() => {});
  void learner.start();
  const catalog: ConstructorParameters<typeof ModelAdmin>[0]['catalog'] = (changes) => modelCatalog(LOADED, changes);
  const admin = new ModelAdmin({ ...parts, eventLog, learner, load: new Load(), catalog });
  const retired = Promise.allSettled([admin.retire('a', null), admin.retire('b', null)]);
  for (let i = 0; i < 30; i++) {
    await nextTurn();
    clock.advance(1000);
  }
  expect(await retired).toMatchObject([{ status: 'fulfilled' }, { reason: { status: 409, code: 'last_model' } }]);
  expect(admin.list().map(({ state }) => state)).toEqual(['retired', 'active']);
});
