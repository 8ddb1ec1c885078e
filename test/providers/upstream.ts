import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JsonObject } from '../../src/domain/chat.ts';

export interface ReceivedRequest {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  text: string;
  body: JsonObject;
}

export type Responder = (response: ServerResponse, request: ReceivedRequest) => void | Promise<void>;

/** A loopback HTTP server that answers as told and records its requests. */
export interface FakeUpstream {
  url: string;
  requests: ReceivedRequest[];
  respond: Responder;
  /** Resolves when the connection of the latest request was closed before its answer was complete. */
  aborted(): Promise<void>;
  close(): Promise<void>;
}

export async function startUpstream(): Promise<FakeUpstream> {
  let closedEarly = Promise.withResolvers<void>();
  const server = createServer(async (request, response) => {
    closedEarly = Promise.withResolvers<void>();
    const { resolve } = closedEarly;
    response.on('close', () => {
      if (!response.writableFinished) resolve();
    });
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const received = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      text,
      body: JSON.parse(text) as JsonObject,
    };
    upstream.requests.push(received);
    await upstream.respond(response, received);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const upstream: FakeUpstream = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    respond: (response) => void response.writeHead(500).end(),
    aborted: () => closedEarly.promise,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return upstream;
}

/** An answer in a recorded format from `test/fixtures/providers`. */
export function fixture(name: string): Buffer {
  return readFileSync(new URL(`../fixtures/providers/${name}`, import.meta.url));
}

export const answerJson =
  (body: string | Uint8Array, status = 200, headers: Record<string, string> = {}): Responder =>
  (response) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);

/** Writes the parts one by one, so that they arrive as separate chunks; then ends, breaks or stays open. */
export const answerStream =
  (
    parts: readonly Uint8Array[],
    end: 'end' | 'break' | 'open' = 'end',
    headers: Record<string, string> = {},
  ): Responder =>
  async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', ...headers });
    response.flushHeaders();
    for (const part of parts) {
      response.write(part);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    if (end === 'end') response.end();
    if (end === 'break') response.destroy();
  };

/** `bytes` cut at the given places, in any order. */
export function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const cuts = [...new Set([0, ...places.map((place) => place % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  );
  return cuts.slice(1).map((cut, index) => bytes.subarray(cuts[index], cut));
}
