/**
 * Sends many short streams through a gateway in a separate process, in front of a simulated upstream on loopback.
 * Clients abandon a share of the streams. Checks that memory stays flat and nothing is left behind.
 *
 * `npm run bench:soak -- [--streams 100000] [--aborts 0.05] [--connections 32] [--minutes 60]` stops after that time,
 * whatever was done.
 */
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, get, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '../src/util/random.ts';
import { mean } from '../src/util/statistics.ts';
import { options } from './support/options.ts';
import { ServeProcess } from './support/serve-process.ts';

const MB = 2 ** 20;
const SAMPLES = 40;
/** Longer than any connection may stay idle: whatever still exists after that was left behind. */
const SETTLE_MS = 75_000;
const GOAL_MB_PER_10_000 = 1;

interface Sample {
  streams: number;
  rssMb: number;
  heapMb: number;
}

const values = options(
  'bench:soak',
  'Runs many short streams, some abandoned by clients, and checks memory, sockets and timers.',
  {
    streams: '100000',
    aborts: '0.05',
    connections: '32',
    minutes: '60',
  },
);
const [streams, aborts, connections, minutes] = [values.streams, values.aborts, values.connections, values.minutes].map(
  Number,
);
const random = seededRandom(1);
const folder = mkdtempSync(join(tmpdir(), 'mixllm-soak-'));
let [abortedUpstream, failed] = [0, 0];

const chunk = (delta: object, finish: string | null = null) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-soak', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const PIECES = ['One ', 'two ', 'three ', 'four ', 'five.'].map((content) => chunk({ content }));
const END = `${chunk({}, 'stop')}data: {"id":"chatcmpl-soak","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":5,"total_tokens":25}}\n\ndata: [DONE]\n\n`;

/**
 * The simulated upstream: sends five pieces at once. If the prompt says so, it sends only the first one, so that the
 * client leaves before the end.
 */
async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = '';
  for await (const text of incoming.setEncoding('utf8')) body += text;
  response.on('close', () => {
    if (!response.writableFinished) abortedUpstream++;
  });
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  if (body.includes('leaving')) response.write(PIECES[0]);
  else response.end(PIECES.join('') + END);
}

const agent = new Agent({ keepAlive: true, maxSockets: connections });

/** Runs one stream; resolves when it is over. */
function stream(url: string, leaves: boolean, index: number): Promise<void> {
  const prompt = `${leaves ? 'leaving' : 'staying'} question ${index}: what is ${index} times ${index * 7}?`;
  const body = JSON.stringify({ model: 'auto', stream: true, messages: [{ role: 'user', content: prompt }] });
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const sent = request(`${url}/v1/chat/completions`, { method: 'POST', agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        if (leaves) sent.destroy();
      });
      response.on('close', () => {
        if (!leaves && !text.endsWith('[DONE]\n\n')) {
          failed++;
          console.log(`a stream failed: ${response.statusCode} ${text}`);
        }
        resolve();
      });
      response.on('error', () => {});
    });
    sent.on('error', (error) => (leaves ? resolve() : reject(error)));
    sent.end(body);
  });
}

async function metrics(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(`${url}/metrics`, { agent: false }, async (response) => {
      let text = '';
      for await (const part of response.setEncoding('utf8')) text += part;
      resolve(text);
    }).on('error', reject);
  });
}

const figure = (text: string, name: string) => Number(text.match(new RegExp(`^${name} (\\S+)$`, 'm'))?.[1] ?? 0);

async function sample(gateway: ServeProcess, done: number): Promise<Sample> {
  const text = await metrics(gateway.url);
  return {
    streams: done,
    rssMb: figure(text, 'process_resident_memory_bytes') / MB,
    heapMb: figure(text, 'nodejs_heap_size_used_bytes') / MB,
  };
}

/** What is open in the gateway: file descriptors that are sockets, and Node's own count of resources by type. */
async function leftovers(gateway: ServeProcess) {
  const text = await metrics(gateway.url);
  const resources = Object.fromEntries(
    [...text.matchAll(/^nodejs_active_resources\{type="(\w+)"\} (\d+)$/gm)].map(([, type, count]) => [
      type,
      Number(count),
    ]),
  );
  return {
    sockets: countSockets(gateway.pid),
    resources,
    inFlight: figure(text, 'mixllm_in_flight_requests\\{model="m"\\}'),
  };
}

/** Linux only. Null elsewhere, where the count of resources has to suffice. */
function countSockets(pid: number): number | null {
  const folder = `/proc/${pid}/fd`;
  if (!existsSync(folder)) return null;
  return readdirSync(folder).filter((fd) => {
    try {
      return readlinkSync(join(folder, fd)).startsWith('socket:');
    } catch {
      // The descriptor was closed in the meantime.
      return false;
    }
  }).length;
}

/** Least-squares slope of memory over streams, in MB per 10,000 streams. */
function slope(samples: readonly Sample[], of: 'rssMb' | 'heapMb'): number {
  const [x, y] = [mean(samples.map((each) => each.streams)), mean(samples.map((each) => each[of]))];
  const covariance = samples.reduce((sum, each) => sum + (each.streams - x) * (each[of] - y), 0);
  return (1e4 * covariance) / samples.reduce((sum, each) => sum + (each.streams - x) ** 2, 0);
}

async function main(): Promise<void> {
  const upstream = createServer((incoming, response) => void answer(incoming, response));
  // With a shorter timeout, on a busy machine an idle connection would be closed just when the gateway takes it from
  // its pool.
  upstream.keepAliveTimeout = 20_000;
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const config = join(folder, 'mixllm.yaml');
  writeFileSync(
    config,
    `server: { port: 0 }
providers: { p: { type: openai, base_url: "http://127.0.0.1:${(upstream.address() as AddressInfo).port}/v1" } }
models: [{ id: m, provider: p, price: { input: 1, output: 2 }, max_concurrency: 64 }]
storage: { url: "sqlite:${join(folder, 'log.db')}" }
`,
  );
  const gateway = await ServeProcess.start(config);
  console.log(`${streams} streams, ${100 * aborts} % abandoned by their clients, ${connections} connections`);
  const before = await leftovers(gateway);
  const samples: Sample[] = [];
  let [next, done, left] = [0, 0, 0];
  const started = performance.now();
  const worker = async () => {
    while (next < streams && performance.now() - started < minutes * 60_000) {
      const index = next++;
      const leaves = random.uniform() < aborts;
      if (leaves) left++;
      await stream(gateway.url, leaves, index);
      if (++done % Math.ceil(streams / SAMPLES) === 0) {
        const taken = await sample(gateway, done);
        samples.push(taken);
        console.log(`${done} streams: ${taken.rssMb.toFixed(1)} MB resident, ${taken.heapMb.toFixed(1)} MB heap`);
      }
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  const seconds = (performance.now() - started) / 1000;
  agent.destroy();
  await sleep(SETTLE_MS);
  const after = await leftovers(gateway);
  const half = samples.filter((each) => each.streams > done / 2);
  const growth = slope(half, 'rssMb');
  console.log(
    `${done} streams, ${(done / seconds).toFixed(0)}/s; ${failed} failed; ${left} abandoned by clients, ${abortedUpstream} aborted upstream`,
  );
  console.log(
    `second half: ${growth.toFixed(2)} MB resident and ${slope(half, 'heapMb').toFixed(2)} MB heap per 10,000 streams (goal: under ${GOAL_MB_PER_10_000})`,
  );
  console.log(`before: ${JSON.stringify(before)}`);
  console.log(`${SETTLE_MS / 1000} s after: ${JSON.stringify(after)}`);
  console.log(
    `exit code ${await gateway.end('SIGTERM')}; warnings: ${gateway.output.split('\n').filter((line) => /"level":[4-6]0/.test(line)).length}`,
  );
  upstream.close();
  upstream.closeAllConnections();
  rmSync(folder, { recursive: true });
  process.exitCode = growth < GOAL_MB_PER_10_000 && left === abortedUpstream && failed === 0 ? 0 : 1;
}

await main();
