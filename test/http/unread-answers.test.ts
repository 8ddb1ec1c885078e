import { connect, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { cleanup } from '../support/cleanup.ts';
import { ask, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { COMPLETION, startRawUpstream } from '../support/raw-upstream.ts';
import { until } from '../support/until.ts';

const kept = cleanup();
/** More than the operating system's buffers hold. */
const LONG = 20 * 2 ** 20;
const A_MINUTE_MS = 60_000;

/** Sends a request and reads nothing. */
function askUnread({ url }: TestGateway): Socket {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').pause();
  const body = JSON.stringify(ask('x'));
  socket.on('error', () => {});
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  return socket;
}

async function startLong() {
  const clock = new ManualClock();
  const answer = JSON.stringify({ ...COMPLETION, padding: 'x'.repeat(LONG) });
  const upstream = kept(
    await startRawUpstream((response) => response.writeHead(200, { 'content-type': 'application/json' }).end(answer)),
  );
  const gateway = kept(await startTestGateway({ clock, urls: { big: upstream.url } }));
  const sockets: Socket[] = [];
  gateway.gateway.server.server.on('connection', (socket) => sockets.push(socket));
  return { clock, gateway, sockets, length: answer.length };
}

/** The answer is waiting to be read. */
const isSent = (socket: Socket | undefined) => (socket?.bytesWritten ?? 0) > LONG;

it('closes a connection whose client does not read its plain answer within ten minutes', async () => {
  const { clock, gateway, sockets } = await startLong();
  askUnread(gateway);
  askUnread(gateway);
  await until(() => sockets.length === 2 && sockets.every(isSent));
  // Checked every five seconds.
  clock.advance(10 * A_MINUTE_MS);
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false, false]);
  clock.advance(5000);
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, true]);
  expect(gateway.logged.filter((line) => line.includes('did not read its answer'))).toHaveLength(1);
});

it('lets a slow client read', async () => {
  const { clock, gateway, sockets, length } = await startLong();
  const client = askUnread(gateway);
  let read = 0;
  client.on('data', (chunk) => {
    read += chunk.length;
    client.pause();
  });
  client.pause();
  await until(() => isSent(sockets[0]));
  const waiting = () => (sockets[0] as unknown as { _handle: { writeQueueSize: number } })._handle.writeQueueSize;
  for (let i = 0; i < 3; i++) {
    clock.advance(10 * A_MINUTE_MS);
    const before = waiting();
    await until(() => {
      client.resume();
      return waiting() < before;
    });
  }
  clock.advance(10 * A_MINUTE_MS);
  client.removeAllListeners('data').on('data', (chunk) => {
    read += chunk.length;
  });
  client.resume();
  await until(() => read > length);
  // An idle connection has no answer waiting.
  clock.advance(20 * A_MINUTE_MS);
  expect(sockets[0].destroyed).toBe(false);
  client.destroy();
});
