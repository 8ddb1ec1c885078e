import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';

/** Maximum attempts at sending a rating while the store is unavailable, and the pause between them. */
const MAX_TRIES = 20;
const PAUSE_MS = 1000;

/** One query for the gateway. */
export interface DrivenQuery {
  messages: { role: 'system' | 'user' | 'assistant'; content: string }[];
  stream: boolean;
  /** Replaces the model that is common to all requests. */
  model?: string;
  headers?: Record<string, string>;
}

export interface DriveOptions {
  /** The gateway's own address, without /v1. */
  url: string;
  queries: readonly DrivenQuery[];
  /** The `model` of every request, e.g. `auto:0.8`. */
  model: string;
  /** Maximum number of concurrent requests. */
  concurrency: number;
  /** How a reader rates the answer; null: not at all. */
  rate(query: number, arm: string): { score: number } | { rating: 'up' | 'down' } | null;
  /** Called after each query, with the arm that answered. */
  onAnswer?(query: number, arm: string): void | Promise<void>;
}

/**
 * Sends queries as an application would: with the official OpenAI client, streamed or not. Answers are rated through
 * /feedback by the completion's own id.
 * @returns per query, the arm that answered
 * @throws on the first request that gets no answer
 */
export async function drive(options: DriveOptions): Promise<string[]> {
  const client = new OpenAI({ baseURL: `${options.url}/v1`, apiKey: 'none', maxRetries: 0 });
  const arms = new Array<string>(options.queries.length);
  let next = 0;
  const worker = async () => {
    while (next < options.queries.length) {
      const query = next++;
      const { arm, completionId } = await ask(client, options.queries[query], options.model);
      arms[query] = arm;
      const rating = options.rate(query, arm);
      if (rating) await sendRating(options.url, { id: completionId, ...rating });
      await options.onAnswer?.(query, arm);
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, worker));
  return arms;
}

async function ask(client: OpenAI, query: DrivenQuery, model: string): Promise<{ arm: string; completionId: string }> {
  const { messages, stream, headers } = query;
  const request = client.chat.completions.create({ model: query.model ?? model, messages, stream }, { headers });
  const { data, response } = await request.withResponse();
  const arm = response.headers.get('x-mixllm-model') ?? '';
  if ('choices' in data) return { arm, completionId: data.id };
  let completionId = '';
  for await (const chunk of data) completionId ||= chunk.id;
  return { arm, completionId };
}

/** Retries while the gateway's store is unavailable, as its response asks clients to. */
async function sendRating(url: string, body: object): Promise<void> {
  for (let tries = 1; ; tries++) {
    const response = await fetch(`${url}/feedback`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (response.status === 202) return;
    if (response.status !== 503 || tries === MAX_TRIES) {
      throw new Error(`A rating got status ${response.status}: ${text}`);
    }
    await sleep(PAUSE_MS);
  }
}
