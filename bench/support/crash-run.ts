import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { type SimulatedUpstream, startSimulatedUpstream } from '../../src/demo/upstream.ts';
import type { StoredEvent } from '../../src/domain/events.ts';
import { SqliteEventStore } from '../../src/store/sqlite/sqlite-event-store.ts';
import { type Random, seededRandom } from '../../src/util/random.ts';
import { RatingClient, TOPICS } from './rating-client.ts';
import { ServeProcess } from './serve-process.ts';

export interface CrashOptions {
  kills: number;
  seed: number;
  /** Maximum number of answers in one life; each life ends after a random number of them. */
  answersPerLife: number;
  log?: (line: string) => void;
}

export interface CrashReport {
  ok: boolean;
  kills: number;
  /**
   * Number of shutdowns by SIGTERM in between. They save snapshots, so that later kills hit a log that continues after
   * a snapshot.
   */
  restarts: number;
  answers: number;
  acknowledged: number;
  repeated: number;
  withdrawn: number;
  /** Acknowledged ratings and withdrawals that are not in the log, or differ from what was sent. */
  missing: string[];
  /** Idempotency keys that occur in the log twice. */
  doubled: string[];
  /** Number of ratings that count, as derived here from the log and as counted by the gateway's learner. */
  counted: { log: number; learner: number };
  /**
   * Number of the models' predictions compared bit for bit between the killed gateway and one that replays its log from
   * scratch.
   */
  compared: number;
  differing: number;
  /** Answers that no gateway should give, e.g. a 5xx. */
  broken: string[];
}

const CLIENTS = 6;
const MODELS = ['big', 'mid', 'small'];
const ORDERLY_EVERY = 4;
/** Minimum number of answers in a life, and maximum milliseconds from its last counted answer to its end. */
const LIFE = { leastAnswers: 5, mostMs: 30 };

/** Starts and ends a gateway on the same log repeatedly, and checks the log at the end. */
export async function crashRun({ kills, seed, answersPerLife, log = () => {} }: CrashOptions): Promise<CrashReport> {
  const random = seededRandom(seed);
  const folder = mkdtempSync(join(tmpdir(), 'mixllm-crash-'));
  const upstream = await startSimulatedUpstream({
    format: 'openai',
    answer: ({ model }) => ({
      text: `from ${model}`,
      model,
      inputTokens: 20,
      outputTokens: 5 + model.length,
      delayMs: 2,
    }),
  });
  const database = join(folder, 'log.db');
  const config = writeConfig(folder, 'mixllm.yaml', upstream, database);
  const clients = Array.from({ length: CLIENTS }, (_, i) => new RatingClient(seededRandom(1000 * seed + i)));
  let [killed, restarts] = [0, 0];
  try {
    while (killed < kills) {
      const gateway = await ServeProcess.start(config);
      for (const client of clients) await client.sendAgain(gateway.url);
      const working = clients.map((client) => client.work(gateway.url));
      await lifeTime(clients, answersPerLife, random);
      const orderly = (killed + restarts) % ORDERLY_EVERY === ORDERLY_EVERY - 1;
      const code = await gateway.end(orderly ? 'SIGTERM' : 'SIGKILL');
      if (orderly) restarts++;
      else killed++;
      await Promise.all(working);
      log(
        `${orderly ? `ended with ${code}` : `killed, ${killed}`} after ${sum(clients, ({ answers }) => answers)} answers`,
      );
    }
    const gateway = await ServeProcess.start(config);
    for (const client of clients) await client.sendAgain(gateway.url);
    // The learner needs a moment to learn what was just sent.
    await settled(gateway.url);
    const after = await predictions(gateway.url);
    await gateway.end('SIGKILL');
    const events = await readAll(database);
    const replay = await replayed(folder, upstream, database);
    return report(clients, events, { kills: killed, restarts }, after, replay);
  } finally {
    await upstream.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Resolves at a random moment of the load. Counts work rather than time, because a slow machine would otherwise do
 * little work.
 */
async function lifeTime(clients: readonly RatingClient[], most: number, random: Random): Promise<void> {
  const answers = () => sum(clients, (client) => client.answers);
  const enough = answers() + LIFE.leastAnswers + (most - LIFE.leastAnswers) * random.uniform();
  while (answers() < enough) await sleep(1);
  await sleep(LIFE.mostMs * random.uniform());
}

function writeConfig(folder: string, name: string, upstream: SimulatedUpstream, database: string): string {
  const models = MODELS.map(
    (id, i) => `{ id: ${id}, provider: p, price: { input: ${4 / 4 ** i}, output: ${16 / 4 ** i} } }`,
  );
  const file = join(folder, name);
  writeFileSync(
    file,
    `server: { port: 0, drain_s: 0 }
providers: { p: { type: openai, base_url: "${upstream.url}" } }
models: [${models.join(', ')}]
learning: { exploration: none }
storage: { url: "sqlite:${database}" }
`,
  );
  return file;
}

type Prediction = Record<string, unknown>;

/** What a gateway predicts for every model and topic, to the last digit. */
async function predictions(url: string): Promise<Prediction[]> {
  const all: Prediction[] = [];
  for (const content of TOPICS) {
    const body = JSON.stringify({ model: 'auto', messages: [{ role: 'user', content }] });
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${url}/v1/route`, { method: 'POST', headers, body });
    all.push(...((await response.json()) as { models: Prediction[] }).models);
  }
  return all;
}

async function settled(url: string): Promise<void> {
  while (!(await (await fetch(`${url}/metrics`)).text()).includes('mixllm_learner_lag_events 0')) await sleep(20);
}

/** Predictions of a gateway that knows only the events. */
async function replayed(folder: string, upstream: SimulatedUpstream, database: string): Promise<Prediction[]> {
  const copy = join(folder, 'replay.db');
  const original = new DatabaseSync(database);
  original.prepare('VACUUM INTO ?').run(copy);
  original.close();
  const cleaned = new DatabaseSync(copy);
  cleaned.exec('DELETE FROM snapshots');
  cleaned.close();
  const gateway = await ServeProcess.start(writeConfig(folder, 'replay.yaml', upstream, copy));
  const all = await predictions(gateway.url);
  await gateway.end('SIGKILL');
  return all;
}

async function readAll(database: string): Promise<StoredEvent[]> {
  const store = new SqliteEventStore(database);
  const events = await store.readAfter(0, 1_000_000);
  await store.close();
  return events;
}

function report(
  clients: readonly RatingClient[],
  events: readonly StoredEvent[],
  ends: { kills: number; restarts: number },
  after: readonly Prediction[],
  replay: readonly Prediction[],
): CrashReport {
  const rated = events.filter((event) => event.type === 'rated');
  const withdrawn = new Set(events.filter((event) => event.type === 'withdrawn').map(({ feedbackId }) => feedbackId));
  const missing = clients.flatMap((client) => [
    ...[...client.acknowledged.values()]
      .filter(
        ({ feedbackId, rating }) =>
          !rated.some((event) => event.feedbackId === feedbackId && event.score === rating.score),
      )
      .map(({ feedbackId }) => feedbackId),
    ...[...client.withdrawn].filter((feedbackId) => !withdrawn.has(feedbackId)),
  ]);
  const keys = rated.map(({ decisionId, idempotencyKey }) => `${decisionId} ${idempotencyKey}`);
  const doubled = keys.filter((key, i) => keys.indexOf(key) !== i);
  const counted = {
    log: inForce(events, withdrawn),
    learner: sum(after.slice(0, MODELS.length), ({ ratings }) => Number(ratings)),
  };
  const differing = after.filter((prediction, i) => !isDeepStrictEqual(prediction, replay[i])).length;
  const broken = clients.flatMap((client) => client.broken);
  return {
    ok:
      missing.length + doubled.length + differing + broken.length === 0 &&
      counted.log === counted.learner &&
      after.length === replay.length,
    ...ends,
    answers: sum(clients, ({ answers }) => answers),
    acknowledged: sum(clients, (client) => client.acknowledged.size),
    repeated: sum(clients, ({ repeated }) => repeated),
    withdrawn: sum(clients, (client) => client.withdrawn.size),
    missing,
    doubled,
    counted,
    compared: after.length,
    differing,
    broken,
  };
}

/**
 * Number of ratings that should count: for each source the latest one that was not withdrawn, if the answer's end is in
 * the log.
 */
function inForce(events: readonly StoredEvent[], withdrawn: ReadonlySet<string>): number {
  const answered = new Set(events.filter((event) => event.type === 'completed' && event.arm).map((e) => e.decisionId));
  const standing = events.filter(
    (event) => event.type === 'rated' && answered.has(event.decisionId) && !withdrawn.has(event.feedbackId),
  );
  return new Set(standing.map((event) => `${event.decisionId} ${event.type === 'rated' && event.source}`)).size;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
