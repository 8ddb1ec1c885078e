/**
 * `npm run bench:proxy -- [--rounds 5] [--seconds 5] [--connections 1,16,64] [--only ours,portkey,bare]`
 *
 * The gateway with 10 arms, `model: "auto"`, lexical embedding and SQLite, beside Portkey's gateway and a bare
 * @fastify/http-proxy, all in front of one loopback upstream. Interleaved rounds; medians and ratios of one run.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** As it is deployed: without Node's type stripping, which takes memory and a slower start. */
const MAIN = join(ROOT, 'dist/main.js');
const ARMS = 10;
const PORTS = { upstream: 18_100, ours: 18_101, portkey: 18_102, bare: 18_103 };
type Subject = 'ours' | 'portkey' | 'bare';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '1,16,64' },
    only: { type: 'string', default: 'ours,portkey,bare' },
  },
});
const subjects = values.only.split(',') as Subject[];
const connections = values.connections.split(',').map(Number);
const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];

if (!existsSync(join(HERE, 'node_modules'))) {
  console.error('Installing what the gateway is compared with into bench/proxy/node_modules …');
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: HERE, stdio: 'inherit' });
}
console.error('Building the gateway into dist …');
execFileSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, stdio: ['ignore', 'inherit', 'ignore'] });
const { default: autocannon } = await import('autocannon');

const folder = mkdtempSync(join(tmpdir(), 'mixllm-proxy-'));
const upstreamUrl = `http://127.0.0.1:${PORTS.upstream}`;
writeFileSync(join(folder, 'mixllm.yaml'), config());

function config(): string {
  const models = Array.from({ length: ARMS }, (_, i) => {
    return `  - { id: arm-${i}, provider: bench, model: bench, price: { input: ${0.1 * 2 ** i}, output: ${0.4 * 2 ** i} }, max_concurrency: 1000 }`;
  });
  return `server: { port: ${PORTS.ours} }
providers: { bench: { type: openai, base_url: ${upstreamUrl}/v1, api_key: none } }
models:
${models.join('\n')}
storage: { url: "sqlite:${join(folder, 'log.db')}" }
logging: { level: warn }
`;
}

/** About 200 tokens, no two alike. */
function prompts(count: number): string[] {
  const words = 'explain write compute list why the a model of river history function number price story which'.split(
    ' ',
  );
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Array.from({ length: count }, (_, i) => {
    const text = Array.from({ length: 150 }, () => words[Math.floor(next() * words.length)]).join(' ');
    return `Query ${i}: ${text}?`;
  });
}

const bodies = prompts(500).map((content) => ({
  auto: JSON.stringify({ model: 'auto', messages: [{ role: 'user', content }] }),
  plain: JSON.stringify({ model: 'bench', messages: [{ role: 'user', content }] }),
}));

const started: ChildProcess[] = [];
function start(name: string, file: string, args: string[], env: Record<string, string> = {}): ChildProcess {
  const child = spawn(process.execPath, [file, ...args], {
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  started.push(child);
  child.once('exit', (code) => {
    if (code) console.error(`${name} ended with code ${code}`);
  });
  return child;
}

const headersOf: Record<Subject, Record<string, string>> = {
  ours: {},
  bare: {},
  portkey: {
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': `${upstreamUrl}/v1`,
    authorization: 'Bearer none',
  },
};

interface Sample {
  requestsPerSecond: number;
  p50: number;
  p99: number;
  errors: number;
  /** Of the subject's process. */
  cpuPer1000: number;
  rssMb: number;
}

function usageOf(pid: number): { cpuS: number; rssMb: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    cpuS: (Number(stat[11]) + Number(stat[12])) / 100,
    rssMb: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024,
  };
}

async function measure(subject: Subject, pid: number, clients: number, duration: number): Promise<Sample> {
  const before = usageOf(pid);
  const result = await autocannon({
    url: `http://127.0.0.1:${PORTS[subject]}/v1/chat/completions`,
    connections: clients,
    duration,
    requests: bodies.map(({ auto, plain }) => ({
      method: 'POST' as const,
      path: '/v1/chat/completions',
      headers: { 'content-type': 'application/json', ...headersOf[subject] },
      body: subject === 'ours' ? auto : plain,
    })),
  });
  const after = usageOf(pid);
  const total = result.requests.total;
  return {
    requestsPerSecond: result.requests.average,
    p50: result.latency.p50,
    p99: result.latency.p99,
    errors: result.errors + result.non2xx,
    cpuPer1000: ((after.cpuS - before.cpuS) / total) * 1000,
    rssMb: after.rssMb,
  };
}

async function ready(subject: Subject): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const answer = await fetch(`http://127.0.0.1:${PORTS[subject]}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headersOf[subject] },
      body: subject === 'ours' ? bodies[0].auto : bodies[0].plain,
    }).catch(() => null);
    if (answer?.ok) return;
    if (tries === 199) throw new Error(`${subject} does not answer: ${answer?.status} ${await answer?.text()}`);
    await sleep(100);
  }
}

const median = (values: number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const spread = (values: number[]) => `${Math.min(...values).toFixed(0)}–${Math.max(...values).toFixed(0)}`;

try {
  start('upstream', join(HERE, 'upstream.ts'), [String(PORTS.upstream)]);
  const pids = new Map<Subject, number>();
  for (const subject of subjects) {
    const child =
      subject === 'ours'
        ? start('ours', MAIN, ['serve', '--config', join(folder, 'mixllm.yaml')])
        : subject === 'bare'
          ? start('bare', join(HERE, 'bare-proxy.ts'), [String(PORTS.bare), upstreamUrl])
          : start(
              'portkey',
              join(HERE, 'node_modules/@portkey-ai/gateway/build/start-server.js'),
              [`--port=${PORTS.portkey}`, '--headless'],
              { TRUSTED_CUSTOM_HOSTS: '127.0.0.1,localhost' },
            );
    pids.set(subject, child.pid as number);
    await ready(subject);
  }
  for (const subject of subjects) await measure(subject, pids.get(subject) as number, 16, Math.min(3, seconds));
  for (const clients of connections) {
    const samples = new Map<Subject, Sample[]>(subjects.map((subject) => [subject, []]));
    for (let round = 0; round < rounds; round++) {
      for (const subject of subjects) {
        samples.get(subject)?.push(await measure(subject, pids.get(subject) as number, clients, seconds));
      }
    }
    const of = (subject: Subject, key: keyof Sample) =>
      median((samples.get(subject) ?? []).map((sample) => sample[key]));
    console.log(`\n${clients} connections, medians of ${rounds} interleaved rounds of ${seconds} s`);
    for (const subject of subjects) {
      const rates = (samples.get(subject) ?? []).map(({ requestsPerSecond }) => requestsPerSecond);
      const ratio = (to: Subject) =>
        subjects.includes(to) && to !== subject
          ? `  ${(of(subject, 'requestsPerSecond') / of(to, 'requestsPerSecond')).toFixed(2)} × ${to}`
          : '';
      console.log(
        `  ${subject.padEnd(8)} ${of(subject, 'requestsPerSecond').toFixed(0).padStart(6)} requests/s (${spread(rates)})  p50 ${of(subject, 'p50')} ms  p99 ${of(subject, 'p99')} ms  CPU ${of(subject, 'cpuPer1000').toFixed(2)} s per 1,000  ${of(subject, 'rssMb').toFixed(0)} MB  errors ${of(subject, 'errors')}${ratio('portkey')}${ratio('bare')}`,
      );
    }
  }
} finally {
  for (const child of started) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
