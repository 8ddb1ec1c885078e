import { connect, type Socket } from 'node:net';
import { getHeapStatistics } from 'node:v8';
import pino from 'pino';
import { describe, expect, it } from 'vitest';
import type { Config } from '../../src/config/schema.ts';
import { Metrics } from '../../src/gateway/metrics.ts';
import { BodyMemory, type HeldBody } from '../../src/http/body-memory.ts';
import { bodiesLimit } from '../../src/wiring/settings.ts';
import { cleanup } from '../support/cleanup.ts';
import { ask, plainAnswer, send, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { parseAnswer, sendBytes } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const kept = cleanup();
const completions = ({ url }: TestGateway) => `${url}/v1/chat/completions`;
const MEGABYTE = 2 ** 20;
const large = (bytes = MEGABYTE, fields: object = {}) => ask('x'.repeat(bytes), fields);
const KEYS = ['a', 'b'].map((name) => ({ name, key: `key-of-${name}-0000000000` }));
const by = (name: string) => ({ headers: { authorization: `Bearer key-of-${name}-0000000000` } });
/** Three quarters of it are available to large bodies. */
const ROOM_FOR_TWO = { server: { port: 0, max_bodies_mb: 3 } };

/** A gateway whose upstreams answer once `answer` is called. */
async function startWaiting(config: Record<string, object> = ROOM_FOR_TWO, fields: object = {}) {
  const waiting: (() => void)[] = [];
  const gateway = kept(
    await startTestGateway({
      answers: {
        big: async (request) => {
          if (request.text.length > 1000) await new Promise<void>((resolve) => waiting.push(resolve));
          return plainAnswer(fields)(request);
        },
      },
      config,
    }),
  );
  return { gateway, waiting, answer: () => waiting.splice(0).forEach((resolve) => void resolve()) };
}

async function heldBytes({ gateway }: TestGateway): Promise<number> {
  return (await gateway.metrics.bodyBytes.get()).values[0].value;
}

/** Sends the head of a request and the given part of its body. */
function begin({ url }: TestGateway, headers: string, body = ''): Socket & { received: () => string } {
  const { port } = new URL(url);
  let received = '';
  const socket = connect(Number(port), '127.0.0.1');
  socket.on('data', (chunk) => {
    received += chunk;
  });
  socket.on('error', () => {});
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${headers}\r\n\r\n${body}`,
  );
  return Object.assign(socket, { received: () => received });
}

it('request bodies may take a tenth of the heap, unless the config says otherwise', () => {
  const limit = (maxBodiesMb?: number) => bodiesLimit({ server: { max_bodies_mb: maxBodiesMb } } as Config);
  expect(limit()).toBeCloseTo(getHeapStatistics().heap_size_limit / 10, 3);
  expect(limit(2)).toBe(2 * MEGABYTE);
});

describe('BodyMemory', () => {
  /** 1,000,000 bytes, of which large bodies may take 750,000. */
  function setUp(keys: number) {
    const log = pino({ enabled: false });
    const parts = { limitBytes: 1e6, isShared: () => keys > 1, metrics: new Metrics(), log, clock: new ManualClock() };
    const memory = new BodyMemory(parts);
    return (key: string, bytes: number): HeldBody | null => {
      const held = memory.hold(key);
      try {
        held.resize(bytes);
        return held;
      } catch {
        return null;
      }
    };
  }
  const countOf = (hold: () => HeldBody | null) => {
    let count = 0;
    while (hold()) count++;
    return count;
  };

  it('small bodies may use what large ones leave free, and always at least a quarter', () => {
    const alone = setUp(1);
    expect(countOf(() => alone('a', 50_000))).toBe(20);
    const beside = setUp(1);
    expect(countOf(() => beside('a', 70_000))).toBe(10);
    expect(countOf(() => beside('a', 50_000))).toBe(6);
    const huge = setUp(1);
    expect(huge('a', 5e6)).not.toBeNull();
    expect(huge('a', 70_000)).toBeNull();
    expect(countOf(() => huge('a', 50_000))).toBe(5);
  });

  it('with several keys, one key may use half, and more as long as a quarter is left for the others', () => {
    const hold = setUp(2);
    expect(countOf(() => hold('a', 50_000))).toBe(15);
    expect(countOf(() => hold('b', 50_000))).toBe(5);
    const large = setUp(2);
    expect(countOf(() => large('a', 70_000))).toBe(8);
    expect(countOf(() => large('b', 70_000))).toBe(2);
    const late = setUp(2);
    for (let i = 0; i < 10; i++) expect(late('b', 50_000)).not.toBeNull();
    expect(countOf(() => late('a', 50_000))).toBe(10);
  });

  it('a body that may not grow keeps what it holds, and releases it only once', () => {
    const hold = setUp(1);
    const held = hold('a', 400_000) as HeldBody;
    const other = hold('a', 300_000) as HeldBody;
    expect(() => held.resize(500_000)).toThrow();
    expect(hold('a', 70_000)).toBeNull();
    held.release();
    held.release();
    held.resize(1e9);
    expect(hold('a', 450_000)).not.toBeNull();
    expect(hold('a', 70_000)).toBeNull();
    other.release();
    expect(hold('a', 70_000)).not.toBeNull();
  });
});

describe('memory for the bodies of running requests', () => {
  it('is limited: a large body beyond the limit is answered 503, small ones get through', async () => {
    const { gateway, waiting, answer } = await startWaiting();
    const first = [send(completions(gateway), large()), send(completions(gateway), large())];
    await until(() => waiting.length === 2);
    expect(await heldBytes(gateway)).toBeGreaterThan(2 * MEGABYTE);
    const refused = await send(completions(gateway), large());
    expect([refused.status, refused.json.error.type, refused.json.error.code]).toEqual([
      503,
      'server_error',
      'overloaded',
    ]);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await send(completions(gateway), large())).status).toBe(503);
    expect((await send(completions(gateway), ask('x'))).status).toBe(200);
    answer();
    expect((await Promise.all(first)).map(({ status }) => status)).toEqual([200, 200]);
    expect((await gateway.gateway.metrics.overloads.get()).values).toMatchObject([{ value: 2, labels: { key: '' } }]);
    // Logged once a minute.
    expect(gateway.logged.filter((line) => line.includes('A request was refused: the bodies'))).toHaveLength(1);
    const again = send(completions(gateway), large());
    await until(() => waiting.length === 1);
    answer();
    expect((await again).status).toBe(200);
    await until(async () => (await heldBytes(gateway)) === 0);
  });

  it('a body beyond it is refused before it is read if its length is declared, or else halfway', async () => {
    const { gateway, waiting, answer } = await startWaiting();
    const under = [send(completions(gateway), large()), send(completions(gateway), large())];
    await until(() => waiting.length === 2);
    const told = begin(gateway, `content-length: ${MEGABYTE}`, '{');
    await until(() => told.received().includes('}'));
    expect(told.received()).toMatch(/^HTTP\/1.1 503 /);
    told.destroy();
    const untold = begin(gateway, 'transfer-encoding: chunked', `${MEGABYTE.toString(16)}\r\n`);
    const chunk = 'x'.repeat(MEGABYTE / 2);
    untold.write(chunk);
    await until(() => untold.received().includes('}'));
    expect(parseAnswer(untold.received())).toMatchObject({ status: 503 });
    // The rest is read and dropped, and the connection stays usable.
    untold.write(`${chunk}\r\n0\r\n\r\nGET /health/live HTTP/1.1\r\nhost: x\r\n\r\n`);
    await until(() => untold.received().includes('HTTP/1.1 200'));
    untold.destroy();
    answer();
    expect((await Promise.all(under)).map(({ status }) => status)).toEqual([200, 200]);
    await until(async () => (await heldBytes(gateway)) === 0);
  });

  it('a client that first sends its whole body and wants the connection closed still gets the 503', async () => {
    const { gateway, waiting, answer } = await startWaiting();
    const under = [send(completions(gateway), large()), send(completions(gateway), large())];
    await until(() => waiting.length === 2);
    const body = JSON.stringify(large(8 * MEGABYTE));
    const client = begin(gateway, `connection: close\r\ncontent-length: ${body.length}`).pause();
    client.write(body, () => client.resume());
    await until(() => client.closed);
    expect(parseAnswer(client.received())).toMatchObject({ status: 503 });
    answer();
    await Promise.all(under);
  });

  it('is not taken by bodies that no route reads, and they do not crash the process', async () => {
    const { gateway, waiting, answer } = await startWaiting({ server: { port: 0, max_bodies_mb: 1 } });
    const under = send(completions(gateway), large());
    await until(() => waiting.length === 1);
    const chunked = `transfer-encoding: chunked\r\nconnection: close\r\n\r\n186a0\r\n${'x'.repeat(100_000)}\r\n0\r\n\r\n`;
    for (const [head, status] of [
      ['GET /health/live', 200],
      ['GET /v1/models', 200],
      ['POST /v1/chat/completions HTTP/1.1\r\ncontent-type: text/plain', 415],
      ['POST /nope', 404],
    ] as const) {
      const line = head.includes('HTTP/1.1') ? head : `${head} HTTP/1.1`;
      expect(parseAnswer(await sendBytes(gateway.url, `${line}\r\nhost: x\r\n${chunked}`)).status).toBe(status);
    }
    answer();
    expect((await under).status).toBe(200);
  });

  it('is released once a body turns out to exceed max_body_mb', async () => {
    const { gateway } = await startWaiting({ server: { port: 0, max_body_mb: 1, max_bodies_mb: 100 } });
    const client = begin(gateway, 'transfer-encoding: chunked\r\nconnection: close');
    const half = `${(MEGABYTE / 2).toString(16)}\r\n${'x'.repeat(MEGABYTE / 2)}\r\n`;
    client.write(half);
    await until(async () => (await heldBytes(gateway)) === MEGABYTE / 2);
    client.write(`${half}${half}`);
    await until(async () => (await heldBytes(gateway)) === 0);
    client.write('0\r\n\r\n');
    await until(() => client.received().includes('}'));
    expect(parseAnswer(client.received()).status).toBe(413);
    client.destroy();
  });

  it('counts the body of a DELETE too, although it is read and dropped', async () => {
    const { gateway, waiting, answer } = await startWaiting();
    const under = [send(completions(gateway), large()), send(completions(gateway), large())];
    await until(() => waiting.length === 2);
    const refused = await send(`${gateway.url}/feedback/x`, large(), { method: 'DELETE' });
    expect([refused.status, refused.json.error.code]).toEqual([503, 'overloaded']);
    answer();
    await Promise.all(under);
  });

  it('is released however the request ends', async () => {
    const { gateway, waiting, answer } = await startWaiting({
      server: { port: 0, max_body_mb: 4, max_bodies_mb: 100 },
    });
    // Streamed.
    const streamed = send(completions(gateway), large(MEGABYTE, { stream: true }));
    await until(() => waiting.length === 1);
    expect(await heldBytes(gateway)).toBeGreaterThan(MEGABYTE);
    answer();
    expect((await streamed).text).toContain('[DONE]');
    await until(async () => (await heldBytes(gateway)) === 0);
    // Rejected: as invalid, and as too large.
    expect((await send(completions(gateway), large(MEGABYTE, { n: 0 }))).status).toBe(400);
    expect((await send(completions(gateway), `"${'x'.repeat(MEGABYTE)}`)).status).toBe(400);
    expect((await send(completions(gateway), large(5 * MEGABYTE))).status).toBe(413);
    await until(async () => (await heldBytes(gateway)) === 0);
    // Abandoned by the client, while it is being answered and while it is being read.
    const controller = new AbortController();
    const left = send(completions(gateway), large(), { signal: controller.signal }).catch(() => {});
    await until(() => waiting.length === 1);
    controller.abort();
    await left;
    await until(async () => (await heldBytes(gateway)) === 0);
    for (const headers of [`content-length: ${MEGABYTE}`, 'transfer-encoding: chunked']) {
      const client = begin(gateway, headers, '1\r\n{\r\n');
      await until(async () => (await heldBytes(gateway)) > 0);
      client.destroy();
      await until(async () => (await heldBytes(gateway)) === 0);
    }
    // Pipelined, and abandoned before the first is answered.
    const body = JSON.stringify(large());
    const head = `content-length: ${body.length}`;
    const client = begin(gateway, head, body);
    client.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${head}\r\n\r\n${body}`,
    );
    await until(async () => (await heldBytes(gateway)) > 2 * MEGABYTE);
    client.destroy();
    await until(async () => (await heldBytes(gateway)) === 0);
    answer();
  });

  it('leaves room for other keys: one key gets half at most', async () => {
    const { gateway, waiting, answer } = await startWaiting({ ...ROOM_FOR_TWO, auth: { keys: KEYS } });
    const first = send(completions(gateway), large(), by('a'));
    await until(() => waiting.length === 1);
    expect((await send(completions(gateway), large(), by('a'))).status).toBe(503);
    expect((await send(completions(gateway), ask('x'), by('a'))).status).toBe(200);
    const other = send(completions(gateway), large(), by('b'));
    await until(() => waiting.length === 2);
    answer();
    expect((await Promise.all([first, other])).map(({ status }) => status)).toEqual([200, 200]);
    const { values } = await gateway.gateway.metrics.overloads.get();
    // The series starts at 0: if it began with the first refusal, Prometheus would see no increase.
    expect(values.map(({ labels, value }) => [labels.key, value])).toEqual([
      ['a', 1],
      ['b', 0],
    ]);
  });

  it('counts parsed values too: empty objects take much memory for little text', async () => {
    const { gateway, waiting, answer } = await startWaiting();
    const first = send(completions(gateway), large());
    await until(() => waiting.length === 1);
    const many = `{"model":"auto","messages":[{"role":"user","content":[${'{},'.repeat(90_000)}{}]}]}`;
    expect((await send(completions(gateway), many)).status).toBe(503);
    answer();
    await first;
  });

  it('admits a single body larger than the limit if it is alone', async () => {
    const { gateway, waiting, answer } = await startWaiting({ server: { port: 0, max_bodies_mb: 1 } });
    const first = send(completions(gateway), large(3 * MEGABYTE));
    await until(() => waiting.length === 1);
    expect((await send(completions(gateway), large(100_000))).status).toBe(503);
    answer();
    expect((await first).status).toBe(200);
  });
});
