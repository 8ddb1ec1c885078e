import pino from 'pino';
import { stringify } from 'yaml';
import { Gateway, type GatewayOptions } from '../../src/app.ts';
import { type LoadedConfig, parseConfig } from '../../src/config/load.ts';
import type { Environment } from '../../src/config/variables.ts';
import {
  type SimulatedAnswer,
  type SimulatedRequest,
  type SimulatedUpstream,
  startSimulatedUpstream,
} from '../../src/demo/upstream.ts';
import type { ProviderType } from '../../src/domain/provider-type.ts';
import { SqliteEventStore } from '../../src/store/sqlite/sqlite-event-store.ts';
import { seededRandom } from '../../src/util/random.ts';
import { keptThreads } from './kept-threads.ts';

export type Answer = (request: SimulatedRequest) => SimulatedAnswer | Promise<SimulatedAnswer>;

export const PROVIDER_KEY = 'sk-provider-secret-000000000000';

/** A short answer that names the model. */
export function plainAnswer(fields: Partial<SimulatedAnswer> = {}): Answer {
  return (request) => ({
    text: `answered by ${request.model}`,
    model: request.model,
    inputTokens: 20,
    outputTokens: 10,
    delayMs: 0,
    ...fields,
  });
}

export interface TestGateway {
  gateway: Gateway;
  url: string;
  /** What the process logged, one JSON line each. */
  logged: string[];
  upstreams: Record<string, SimulatedUpstream>;
  close(): Promise<void>;
}

export interface TestGatewayOptions extends Omit<GatewayOptions, 'log'> {
  /** Arm id -> how its upstream answers; the arm's id is also the upstream's name for the model. */
  answers?: Record<string, Answer>;
  /** Arm id -> address of an upstream that the test runs itself. */
  urls?: Record<string, string>;
  formats?: Record<string, ProviderType>;
  /** Fields of a model's config, over the defaults. */
  models?: Record<string, object>;
  /** Further top-level sections of the config. */
  config?: Record<string, object>;
  environment?: Environment;
}

/**
 * Seed for tests that do not choose one. One decision in two hundred is drawn from the floor, which no test may
 * depend on.
 */
const SEED = 1;
const IN_MEMORY = 'sqlite::memory:';

/** The real gateway on a real socket, in front of simulated upstreams on loopback. */
export async function startTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const answers = options.answers ?? (options.urls ? {} : { big: plainAnswer(), small: plainAnswer() });
  const upstreams: Record<string, SimulatedUpstream> = {};
  for (const [id, answer] of Object.entries(answers)) {
    upstreams[id] = await startSimulatedUpstream({ format: options.formats?.[id] ?? 'openai', answer });
  }
  const urls = {
    ...Object.fromEntries(Object.entries(upstreams).map(([id, { url }]) => [id, url])),
    ...options.urls,
  };
  const document = {
    server: { port: 0 },
    providers: Object.fromEntries(
      Object.entries(urls).map(([id, url]) => [
        id,
        { type: options.formats?.[id] ?? 'openai', api_key: PROVIDER_KEY, base_url: url },
      ]),
    ),
    models: Object.keys(urls).map((id, i) => ({
      id,
      provider: id,
      price: { input: 10 / 10 ** i, output: 40 / 10 ** i },
      capabilities: ['tools', 'vision', 'json'],
      ...options.models?.[id],
    })),
    storage: { url: IN_MEMORY },
    ...options.config,
  };
  const loaded = parseConfig(stringify(document), 'test.yaml', options.environment ?? {});
  const logged: string[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) });
  const gateway = new Gateway(loaded, { random: seededRandom(SEED), ...inMemory(loaded), ...options, log });
  const url = await gateway.listen();
  return {
    gateway,
    url,
    logged,
    upstreams,
    async close() {
      await gateway.close();
      await Promise.all(Object.values(upstreams).map((upstream) => upstream.close()));
    },
  };
}

function inMemory({ config }: LoadedConfig): Pick<GatewayOptions, 'store'> {
  return config.storage.url === IN_MEMORY ? { store: new SqliteEventStore(':memory:', keptThreads) } : {};
}

/** Resolves when everything recorded so far is stored and learned. */
export async function settled({ gateway }: TestGateway): Promise<void> {
  // Yields a turn of the event loop: a test that waits in a loop must not starve the sockets.
  await new Promise((resolve) => setImmediate(resolve));
  await gateway.eventLog.flush();
  await gateway.learner.idle();
}

export interface Answered {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look wherever they like
  json: any;
}

/** Sends a POST (or another method) with a JSON body and reads the answer to its end. */
export async function send(
  url: string,
  body: object | string | Uint8Array | null,
  init: { method?: string; headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<Answered> {
  const raw = typeof body === 'string' || body instanceof Uint8Array || body === null;
  const response = await fetch(url, {
    method: init.method ?? 'POST',
    headers: { ...(body === null ? {} : { 'content-type': 'application/json' }), ...init.headers },
    body: raw ? (body as BodyInit | null) : JSON.stringify(body),
    ...(init.signal ? { signal: init.signal } : {}),
  });
  const text = await response.text();
  let json: unknown = null;
  try {
    json = JSON.parse(text);
  } catch {}
  return { status: response.status, headers: response.headers, text, json };
}

export async function get(url: string, headers: Record<string, string> = {}): Promise<Answered> {
  return send(url, null, { method: 'GET', headers });
}

export function ask(content: string, fields: object = {}): object {
  return { model: 'auto', messages: [{ role: 'user', content }], ...fields };
}
