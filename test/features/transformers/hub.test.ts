import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { threadEnvironment } from '../../../src/features/transformers/model-thread.ts';
import { SentenceEncoder } from '../../../src/features/transformers/sentence-encoder.ts';
import { systemClock } from '../../../src/util/clock.ts';
import { cleanup } from '../../support/cleanup.ts';
import { makeTinyModel, SETTINGS, type TinyModel } from './support.ts';

let tiny: TinyModel;
beforeAll(async () => {
  tiny = await makeTinyModel();
});
afterAll(() => {
  vi.unstubAllEnvs();
  tiny?.remove();
});
const kept = cleanup();

/** Answers like the hub, for the one model `acme/tiny`. */
async function startHub() {
  const fetched: string[] = [];
  const server = createServer(({ url = '' }, response) => {
    const file = join(tiny.folder, url.replace('/acme/tiny/resolve/main/', ''));
    fetched.push(url);
    // The hub answers 401 for models that do not exist, as they might be private.
    if (!url.startsWith('/acme/tiny/')) response.writeHead(401).end();
    else if (!existsSync(file)) response.writeHead(404).end();
    else response.end(readFileSync(file));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  };
  vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return kept({ fetched, close });
}

function encoder(model: string): SentenceEncoder {
  const cacheFolder = join(tiny.folder, '..', 'hub');
  return kept(new SentenceEncoder({ ...SETTINGS, model, cacheFolder, clock: systemClock, budgetMs: null }));
}

it('downloads a model from the hub once and keeps it', async () => {
  const hub = await startHub();
  const facts = await encoder('acme/tiny').start();
  expect(hub.fetched).toContain('/acme/tiny/resolve/main/onnx/model_quantized.onnx');
  await hub.close();
  expect(await encoder('acme/tiny').start()).toEqual(facts);
  // The same files are the same model, wherever they come from.
  expect(await encoder(tiny.folder).start()).toEqual(facts);
});

it('passes only what the hub needs from the environment to the worker thread', () => {
  const environment = threadEnvironment({ HF_TOKEN: 'token', PATH: '/bin', OPENAI_API_KEY: 'secret' });
  expect(environment).toEqual({ HF_TOKEN: 'token', PATH: '/bin' });
  expect(Object.keys(threadEnvironment({}))).toEqual([]);
});

it('names the file of a model that cannot be downloaded, and the reason', async () => {
  const hub = await startHub();
  await expect(encoder('acme/other').start()).rejects.toThrow(/acme\/other\/.*\.json cannot be fetched: status 401/);
  await hub.close();
  await expect(encoder('acme/other').start()).rejects.toThrow(
    /acme\/other\/.*\.json cannot be fetched: .*ECONNREFUSED/,
  );
});
