import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RawUpstream {
  url: string;
  /** Bodies as received, newest last. */
  bodies: string[];
  headers: IncomingMessage['headers'][];
  close(): Promise<void>;
}

/** A server that sends exactly the bytes that a test wants and records exactly the bytes that it gets. */
export async function startRawUpstream(
  answer: (response: ServerResponse, body: string, request: IncomingMessage) => void,
): Promise<RawUpstream> {
  const bodies: string[] = [];
  const headers: IncomingMessage['headers'][] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    bodies.push(body);
    headers.push(request.headers);
    answer(response, body, request);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    bodies,
    headers,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export const COMPLETION = {
  id: 'chatcmpl-raw1',
  object: 'chat.completion',
  created: 1,
  model: 'upstream-name-2026',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Grüße 👋' }, finish_reason: 'stop', logprobs: null }],
  usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18, prompt_tokens_details: { cached_tokens: 3 } },
  'x-unknown': { kept: [1, 2, 3] },
};

export function sse(...events: (object | string)[]): string {
  return events.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`).join('');
}

export function chunk(delta: object, finish: string | null = null): object {
  const choices = [{ index: 0, delta, finish_reason: finish }];
  return { id: 'chatcmpl-raw1', object: 'chat.completion.chunk', created: 1, model: 'upstream-name-2026', choices };
}

export const USAGE_CHUNK = {
  id: 'chatcmpl-raw1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'upstream-name-2026',
  choices: [],
  usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
};
