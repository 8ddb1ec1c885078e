import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, buildConnector } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { MAX_BYTES } from '../../src/providers/answer-limit.ts';
import { UpstreamHttp, UpstreamStatusError } from '../../src/providers/upstream-http.ts';
import { askForWhole, ERROR_TEXT_MS } from '../../src/providers/whole-answer.ts';
import { systemClock } from '../../src/util/clock.ts';
import { ManualClock } from '../support/manual-clock.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Answers every request with these bytes, then hangs up. */
async function upstream(answer: string) {
  const received: string[] = [];
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.once('data', (bytes) => {
      received.push(bytes.toString());
      socket.end(answer);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received };
}

function agent(options: Agent.Options = {}): Agent {
  const made = new Agent(options);
  closing.push(() => made.destroy());
  return made;
}

const request = (origin: string) => ({ origin, path: '/', method: 'POST' as const, body: '{}' });
const never = () => new AbortController().signal;

describe('askForWhole', () => {
  it.each([400, 429, 503])('keeps status and headers of an error (%i) whose text breaks off', async (status) => {
    const { origin } = await upstream(`HTTP/1.1 ${status} No\r\nretry-after: 7\r\ncontent-length: 30\r\n\r\nabc`);
    const answer = await askForWhole(agent(), request(origin), never(), systemClock);
    expect({ ...answer, body: String(answer.body) }).toMatchObject({
      status,
      headers: { 'retry-after': '7' },
      body: 'abc',
    });
  });

  it('rejects a success whose text breaks off', async () => {
    const { origin } = await upstream('HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\nabc');
    await expect(askForWhole(agent(), request(origin), never(), systemClock)).rejects.toThrow();
  });

  it.each([200, 500])('limits how much it reads of a %i', async (status) => {
    const dispatcher = agent();
    const chunk = Buffer.alloc(MAX_BYTES / 8);
    let given = 0;
    const endless = createServer((socket) => {
      const more = (error?: Error | null) => {
        if (error) return;
        given += chunk.length;
        socket.write(chunk, more);
      };
      socket.on('error', () => {});
      socket.once('data', () => socket.write(`HTTP/1.1 ${status} OK\r\n\r\n`, more));
    });
    await once(endless.listen(0, '127.0.0.1'), 'listening');
    closing.push(() => endless.close());
    const origin = `http://127.0.0.1:${(endless.address() as AddressInfo).port}`;
    const asked = askForWhole(dispatcher, request(origin), never(), systemClock);
    if (status === 200) await expect(asked).rejects.toThrow('longer than 64 MB');
    else expect((await asked).body).toHaveLength(0);
    expect(given).toBeLessThan(2 * MAX_BYTES);
  });

  it('sends nothing for a client that left before the connection was open', async () => {
    const { origin, received } = await upstream('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    const connector = buildConnector({});
    let connected = () => {};
    const connection = new Promise<void>((resolve) => {
      connected = resolve;
    });
    const slow = agent({
      connect: (options, callback) => {
        void sleep(30).then(() =>
          connector(options, (...result) => {
            callback(...(result as Parameters<typeof callback>));
            connected();
          }),
        );
      },
    });
    const client = new AbortController();
    const asked = askForWhole(slow, request(origin), client.signal, systemClock);
    client.abort(new Error('gone'));
    await expect(asked).rejects.toThrow('gone');
    await connection;
    await sleep(20);
    expect(received).toEqual([]);
  });
});

describe('an error whose text does not end', () => {
  const HEAD = 'HTTP/1.1 429 Slow Down\r\nretry-after: 7\r\ncontent-length: 30\r\n\r\n';

  /** Sends the status and part of the text, then stays open. */
  async function stalled(head = HEAD) {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.write(`${head}abc`));
      closing.push(() => socket.destroy());
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    closing.push(() => void server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it.each(['whole', 'stream'] as const)(
    'keeps its status and headers once the time limit for the text has passed (%s)',
    async (kind) => {
      const url = new URL(await stalled());
      const clock = new ManualClock();
      const http = new UpstreamHttp({ url, proxy: null, secrets: [], clock });
      const post = { url, headers: {}, body: '{}', signal: never(), connectTimeoutMs: 1000 };
      const asked = (kind === 'whole' ? http.postForWhole(post) : http.post(post)).catch((error: unknown) => error);
      await expect.poll(() => clock.waiting).toBe(1);
      await sleep(20);
      clock.advance(ERROR_TEXT_MS);
      const error = (await asked) as UpstreamStatusError;
      expect(error).toBeInstanceOf(UpstreamStatusError);
      expect(error).toMatchObject({ status: 429, headers: { 'retry-after': '7' }, body: '' });
      expect(clock.waiting).toBe(0);
      await http.close();
    },
  );

  it.each([
    [200, 0],
    [400, 1],
  ])('gets a time limit; a success does not (%i)', async (status, timers) => {
    const clock = new ManualClock();
    const client = new AbortController();
    const [arrived, alive] = [Promise.withResolvers<void>(), () => arrived.resolve()];
    const origin = await stalled(HEAD.replace('429', String(status)));
    const asked = askForWhole(agent(), request(origin), client.signal, clock, alive).catch(() => null);
    if (status === 200) await arrived.promise;
    else await expect.poll(() => clock.waiting).toBe(1);
    expect(clock.waiting).toBe(timers);
    client.abort(new Error('enough'));
    await asked;
  });
});
