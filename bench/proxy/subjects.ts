/** What is measured, and how each subject is started: each in its own process, in front of one loopback upstream. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** As the Dockerfile starts it: without Node's type stripping, which takes memory and slows the start. */
const MAIN = join(ROOT, 'dist/main.js');
const NODE_FLAGS = ['--max-semi-space-size=16'];
const ARMS = 10;

export type Subject = 'direct' | 'ours' | 'portkey' | 'bare';
const PORTS: Record<Subject, number> = { direct: 18_100, ours: 18_101, portkey: 18_102, bare: 18_103 };
const UPSTREAM_URL = `http://127.0.0.1:${PORTS.direct}`;

const HEADERS: Record<Subject, Record<string, string>> = {
  direct: {},
  ours: {},
  bare: {},
  portkey: {
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': `${UPSTREAM_URL}/v1`,
    authorization: 'Bearer none',
  },
};

export function urlOf(subject: Subject, path = '/v1/chat/completions'): string {
  return `http://127.0.0.1:${PORTS[subject]}${path}`;
}

export function headersOf(subject: Subject): Record<string, string> {
  return { 'content-type': 'application/json', ...HEADERS[subject] };
}

/** The gateway chooses between ten arms; the others are told which model to call. */
export function modelOf(subject: Subject): string {
  return subject === 'ours' ? 'auto' : 'bench';
}

/** Builds the gateway, and installs the others if they are missing. */
export function prepare(): void {
  if (!existsSync(join(HERE, 'node_modules'))) {
    console.error('Installing the proxies to compare with into bench/proxy/node_modules …');
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: HERE, stdio: 'inherit' });
  }
  console.error('Building the gateway into dist …');
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, stdio: ['ignore', 'inherit', 'ignore'] });
}

/** The processes of a run. `stop` ends all of them. */
export class Subjects {
  readonly #started: ChildProcess[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'mixllm-proxy-'));
  readonly #pids = new Map<Subject, number>();

  /** Resolves when all of them respond. */
  async start(subjects: readonly Subject[]): Promise<void> {
    writeFileSync(join(this.#folder, 'mixllm.yaml'), this.#config());
    this.#spawn('direct', join(HERE, 'upstream.ts'), [String(PORTS.direct)]);
    if (subjects.includes('ours')) {
      this.#spawn('ours', MAIN, ['serve', '--config', join(this.#folder, 'mixllm.yaml')], {}, NODE_FLAGS);
    }
    if (subjects.includes('bare')) this.#spawn('bare', join(HERE, 'bare-proxy.ts'), [String(PORTS.bare), UPSTREAM_URL]);
    if (subjects.includes('portkey')) {
      const file = join(HERE, 'node_modules/@portkey-ai/gateway/build/start-server.js');
      const env = { TRUSTED_CUSTOM_HOSTS: '127.0.0.1,localhost' };
      this.#spawn('portkey', file, [`--port=${PORTS.portkey}`, '--headless'], env);
    }
    for (const subject of subjects) await ready(subject);
  }

  /** CPU seconds that the subject's process has used, and its resident memory. */
  usageOf(subject: Subject): { cpuS: number; rssMb: number } {
    const pid = this.#pids.get(subject);
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return {
      cpuS: (Number(stat[11]) + Number(stat[12])) / 100,
      rssMb: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024,
    };
  }

  stop(): void {
    for (const child of this.#started) child.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #spawn(subject: Subject, file: string, args: string[], env: Record<string, string> = {}, flags: string[] = []): void {
    const child = spawn(process.execPath, [...flags, file, ...args], {
      env: { PATH: process.env.PATH, NODE_ENV: 'production', ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    this.#started.push(child);
    this.#pids.set(subject, child.pid as number);
    child.once('exit', (code) => {
      if (code) console.error(`${subject} ended with code ${code}`);
    });
  }

  #config(): string {
    const models = Array.from({ length: ARMS }, (_, i) => {
      return `  - { id: arm-${i}, provider: bench, model: bench, price: { input: ${0.1 * 2 ** i}, output: ${0.4 * 2 ** i} }, max_concurrency: 1000 }`;
    });
    return `server: { port: ${PORTS.ours} }
providers: { bench: { type: openai, base_url: ${UPSTREAM_URL}/v1, api_key: none } }
models:
${models.join('\n')}
storage: { url: "sqlite:${join(this.#folder, 'log.db')}" }
logging: { level: warn }
`;
  }
}

async function ready(subject: Subject): Promise<void> {
  for (let tries = 1; ; tries++) {
    const body = JSON.stringify({ model: modelOf(subject), messages: [{ role: 'user', content: 'Are you there?' }] });
    const answer = await fetch(urlOf(subject), { method: 'POST', headers: headersOf(subject), body }).catch(() => null);
    if (answer?.ok) return;
    if (tries === 200) throw new Error(`${subject} does not answer: ${answer?.status} ${await answer?.text()}`);
    await sleep(100);
  }
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
