import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CLEAN_ENVIRONMENT } from '../support/clean-environment.ts';
import { cleanup } from '../support/cleanup.ts';
import { type Answered, ask, get, send } from '../support/gateway.ts';
import { sendBytes } from '../support/raw-client.ts';
import { COMPLETION, chunk, sse, startRawUpstream } from '../support/raw-upstream.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const kept = cleanup();

const SECRETS = {
  team: 'mx-team/key+secret-0001',
  admin: 'mx-admin-key-secret-0002',
  openai: 'sk-openai/key+secret-0003',
  anthropic: 'sk-ant-key-secret-0004',
  header: 'hd-header-token-secret-0008',
  mistyped: 'mx-mistyped-key-secret-0005',
  prompt: 'a prompt that is nobody elses business 0006',
  answer: 'an answer that is nobody elses business 0007',
};

let folder: string;
let child: ChildProcess;
let output = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mixllm-secrets-'));
});
afterEach(async () => {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(folder, { recursive: true });
});

/** Repeats its own key wherever an upstream can put text. */
function indiscreet(key: string) {
  let turn = 0;
  const json = (message: string) => JSON.stringify({ type: 'error', error: { type: 'authentication_error', message } });
  return (response: ServerResponse, body: string) => {
    const headers = {
      'x-request-id': `req-${key}`,
      'request-id': `req-${key}`,
      'retry-after': `9${key}`,
      'x-key': key,
    };
    const answers: (() => void)[] = [
      () =>
        response
          .writeHead(401, { ...headers, 'content-type': 'application/json' })
          .end(json(`Incorrect API key: ${key}`)),
      () =>
        response
          .writeHead(403, { ...headers, 'content-type': `text/html; x="${key}"` })
          .end(`<p>${encodeURIComponent(key)}</p>`),
      () =>
        response
          .writeHead(500, headers)
          .end(JSON.stringify({ error: { message: key.replaceAll('/', '\\/') } }).replaceAll('\\\\/', '\\/')),
      () => response.writeHead(429, { 'retry-after': '0', 'x-request-id': key }).end(json(key)),
      () => response.destroy(),
      () => response.writeHead(200, headers).end(`no JSON, but ${key}`),
    ];
    if (/"stream":true/.test(body)) {
      response.writeHead(200, { ...headers, 'content-type': 'text/event-stream' });
      response.end(
        sse(chunk({ content: SECRETS.answer }), {
          error: { message: `${SECRETS.prompt}: quota of ${key}`, type: 'quota_error' },
        }),
      );
    } else if (/give it a try/.test(body)) {
      const message = { role: 'assistant', content: SECRETS.answer };
      response.writeHead(200, { ...headers, 'content-type': 'application/json' });
      response.end(JSON.stringify({ ...COMPLETION, choices: [{ ...COMPLETION.choices[0], message }] }));
    } else answers[turn++ % answers.length]();
  };
}

async function serve(urls: { openai: string; anthropic: string }): Promise<string> {
  const file = join(folder, 'mixllm.yaml');
  writeFileSync(
    file,
    [
      'server: { port: 0 }',
      `auth: { keys: [{ name: team, key: "\${TEAM}", budget: { usd: 1, per: day }, rpm: 1000 }, { name: ops, key: "\${ADMIN}", role: admin }] }`,
      'providers:',
      `  openai: { type: openai, api_key: "\${OPENAI}", headers: { x-org-token: "\${HEADER}" }, base_url: "${urls.openai}" }`,
      `  anthropic: { type: anthropic, api_key: "\${ANTHROPIC}", base_url: "${urls.anthropic}" }`,
      `  nobody: { type: openai, api_key: "\${OPENAI}", base_url: "http://127.0.0.1:9/v1" }`,
      'models:',
      ...['openai', 'anthropic', 'nobody'].map(
        (id) => `  - { id: ${id}, provider: ${id}, price: { input: 1, output: 2 } }`,
      ),
      'resilience: { retries: 0 }',
      `storage: { url: "sqlite:${join(folder, 'log.db')}" }`,
      'logging: { level: debug }',
    ].join('\n'),
  );
  const { team, admin, openai, anthropic, header } = SECRETS;
  child = spawn(process.execPath, [MAIN, 'serve', '--config', file], {
    cwd: folder,
    env: { ...CLEAN_ENVIRONMENT, TEAM: team, ADMIN: admin, OPENAI: openai, ANTHROPIC: anthropic, HEADER: header },
  });
  output = '';
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (data) => {
        output += data;
        const url = /listens on (http:\/\/[^/]+)\/v1/.exec(output)?.[1];
        if (url) resolve(url);
      });
    }
    child.once('exit', (code) => reject(new Error(`serve ended with ${code}: ${output}`)));
  });
}

/** Everything in the folder except the config, as latin1 text. */
function written(): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const texts = files
    .filter(({ name }) => name !== 'mixllm.yaml')
    .map(({ name }) => readFileSync(join(folder, name), 'latin1'));
  expect(files.map(({ name }) => name)).toContain('log.db');
  return texts.join('\n');
}

const forms = (secret: string) => [
  secret,
  encodeURIComponent(secret),
  secret.replaceAll('/', '\\/'),
  Buffer.from(secret).toString('base64'),
];

it('nothing the process writes contains a key, prompt or answer, and no key reaches the other side', async () => {
  const openai = kept(await startRawUpstream(indiscreet(`${SECRETS.openai} ${SECRETS.header}`)));
  const anthropic = kept(await startRawUpstream(indiscreet(SECRETS.anthropic)));
  const url = await serve({ openai: openai.url, anthropic: anthropic.url.replace(/\/v1$/, '') });
  const answers: Answered[] = [];
  const bearer = (key: string) => ({ authorization: `Bearer ${key}`, 'x-api-key': key, cookie: `key=${key}` });
  const note = async (answer: Promise<Answered>) => {
    answers.push(await answer);
    return answers.at(-1) as Answered;
  };
  const chat = (fields: object, key = SECRETS.team) =>
    note(
      send(`${url}/v1/chat/completions`, ask(SECRETS.prompt, { user: SECRETS.prompt, ...fields }), {
        headers: bearer(key),
      }),
    );

  for (const model of ['openai', 'anthropic', 'nobody', 'auto']) {
    for (let turn = 0; turn < 7; turn++) await chat({ model });
    await chat({ model, stream: true });
  }
  const good = await chat({
    model: 'openai',
    messages: [{ role: 'user', content: `give it a try: ${SECRETS.prompt}` }],
  });
  // A client may get its own words back in its own answer.
  expect(good.text).toContain(SECRETS.answer);
  answers.pop();
  answers.pop();
  for (const answer of answers.splice(0)) {
    answers.push({ ...answer, text: answer.text.replaceAll(SECRETS.answer, '').replaceAll(SECRETS.prompt, '') });
  }
  for (const id of [good.json.id, good.headers.get('x-mixllm-decision-id')]) {
    await note(send(`${url}/feedback`, { id, score: 1 }, { headers: bearer(SECRETS.team) }));
    await note(get(`${url}/v1/decisions/${id}`, bearer(SECRETS.team)));
  }
  await chat({}, SECRETS.mistyped);
  await note(get(`${url}/v1/models?api_key=${encodeURIComponent(SECRETS.team)}`));
  await note(get(`${url}/nowhere?key=${encodeURIComponent(SECRETS.team)}`, bearer(SECRETS.team)));
  await note(
    send(`${url}/v1/chat/completions`, `{"model":"auto","key":"${SECRETS.prompt}`, {
      headers: { ...bearer(SECRETS.team) },
    }),
  );
  await note(send(`${url}/admin/models`, { id: 'x', api_key: SECRETS.openai }, { headers: bearer(SECRETS.admin) }));
  await note(
    send(`${url}/admin/models/anthropic`, { price: { input: 2 } }, { method: 'PATCH', headers: bearer(SECRETS.admin) }),
  );
  await note(get(`${url}/admin/models`, bearer(SECRETS.admin)));
  const malformed = await sendBytes(
    url,
    `GET / HTTP/1.1\r\nauthorization: Bearer ${SECRETS.team}\r\nbad header\r\n\r\n`,
  );
  const metrics = await note(get(`${url}/metrics`));
  expect(metrics.text).toMatch(/mixllm_upstream_errors_total\{model="anthropic",failure="status",status="\d+"\} [1-9]/);
  child.kill('SIGHUP');

  expect(output).toContain('The upstream reported an error: quota_error');
  const atWork = written();
  expect(atWork).toContain('decided');
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  expect((await ended)[0]).toBe(0);
  const afterwards = written();

  const returned = answers.map(({ status, headers, text }) => JSON.stringify([status, [...headers], text])).join('\n');
  expect(answers.map(({ status }) => status)).toEqual(expect.arrayContaining([401, 403, 500, 429, 502, 200, 202]));
  const sides = { log: output, atWork, afterwards, returned, malformed };
  for (const [name, secret] of Object.entries(SECRETS)) {
    for (const form of forms(secret)) {
      for (const [side, text] of Object.entries(sides)) expect(text.includes(form), `${name} in ${side}`).toBe(false);
    }
  }
  for (const [upstream, own] of [
    [openai, SECRETS.openai],
    [anthropic, SECRETS.anthropic],
  ] as const) {
    expect(upstream.bodies.length).toBeGreaterThan(8);
    const got = JSON.stringify(upstream.headers);
    expect(got).toContain(own);
    for (const key of [
      SECRETS.team,
      SECRETS.admin,
      SECRETS.mistyped,
      own === SECRETS.openai ? SECRETS.anthropic : SECRETS.openai,
    ]) {
      expect(got + upstream.bodies.join()).not.toContain(key);
    }
    expect(got.includes(SECRETS.header)).toBe(upstream === openai);
    expect(got).not.toContain('cookie');
  }
});
