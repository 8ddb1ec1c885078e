import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { cleanup } from '../support/cleanup.ts';
import { startTestGateway } from '../support/gateway.ts';
import { ManualClock } from '../support/manual-clock.ts';

const kept = cleanup();
const PROBE = 'GET /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n';

async function connected(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

it('answers connections that are still waiting to be accepted when the port is closed', async () => {
  const { gateway, url } = kept(await startTestGateway());
  // All at once: the server accepts one per turn of the event loop.
  const sockets = await Promise.all(Array.from({ length: 30 }, () => connected(url)));
  const answers = sockets.map((socket) => {
    socket.end(PROBE);
    return text(socket).catch((error) => error.code);
  });
  await gateway.close();
  const statuses = (await Promise.all(answers)).map((answer) => answer.split('\r\n')[0]);
  expect(statuses).toEqual(Array(30).fill('HTTP/1.1 200 OK'));
});

it('does not wait on shutdown for connections that were never used', async () => {
  const clock = new ManualClock();
  const { gateway, url, logged } = kept(await startTestGateway({ clock }));
  const socket = await connected(url);
  const used = await connected(url);
  used.write(PROBE.replace('close', 'keep-alive'));
  await once(used, 'data');
  clock.advance(2000);
  // The time limit for running answers never passes on this clock.
  await Promise.all([gateway.close(), once(socket, 'close'), once(used, 'close')]);
  expect(logged.join('')).not.toContain('cut off');
});
