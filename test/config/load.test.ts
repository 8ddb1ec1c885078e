import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DRIFT, LAUNCH, SNAPSHOT_REMAINS } from '../../src/bandit/defaults.ts';
import { disabledProviders, enabledArms } from '../../src/config/arms.ts';
import { ConfigError } from '../../src/config/config-error.ts';
import { loadConfig, parseConfig } from '../../src/config/load.ts';
import { MINIMAL, parse } from './support.ts';

/** The example from the design document, verbatim. */
const EXAMPLE = `
server: { host: 127.0.0.1, port: 8080 }
auth:                       # no keys: the server only listens on loopback
  keys: [{ name: team-a, key: \${MIXLLM_KEY_TEAM_A}, weight: { max: 0.8 }, models: ["*"], budget: { usd: 20, per: day }, rpm: 600 }]
providers:
  openai:    { type: openai,    api_key: \${OPENAI_API_KEY} }
  anthropic: { type: anthropic, api_key: \${ANTHROPIC_API_KEY} }
  local:     { type: openai,    base_url: http://127.0.0.1:11434/v1 }      # Ollama, vLLM, llama.cpp, any OpenAI-compatible server
models:
  - { id: big,   provider: openai, model: gpt-5,      price: { input: 1.25, cached_input: 0.125, output: 10 }, context_window: 400000, capabilities: [tools, vision, json], prior: frontier }
  - { id: small, provider: local,  model: qwen3:4b,   price: { input: 0, output: 0 }, max_concurrency: 4, prior: small }
routing:   { reference: big, weight: 0.5, latency: { budget_s: 30 }, targets: { } }
           # reference: the arm that costs and savings are told against, and that answers when the learner cannot
resilience: { retries: 1, timeouts: { connect_s: 5, first_byte_s: 120, idle_s: 60, total_s: 600 }, breaker: { failures: 5, cooldown_s: 10 } }   # a model may override timeouts
learning:  { exploration: thompson }         # or ucb, none
embedding: { kind: lexical }                  # or { kind: transformers, model: Xenova/all-MiniLM-L6-v2 }
storage:   { url: "sqlite:data/mixllm.db" }   # or postgres://…
`;
const KEYS = { MIXLLM_KEY_TEAM_A: 'mx-team', OPENAI_API_KEY: 'sk-openai', ANTHROPIC_API_KEY: 'sk-anthropic' };

describe('a config without a learning section', () => {
  it('learns with the settings behind the published figures', () => {
    const { drift, snapshot_change, launch } = parse(MINIMAL).config.learning;
    expect(drift).toEqual(DRIFT);
    expect(snapshot_change.remains).toBe(SNAPSHOT_REMAINS);
    expect(launch.tries).toBe(LAUNCH.tries);
  });
});

describe('the example from the design document', () => {
  it('is read as intended', () => {
    const { config, missingKeys } = parse(EXAMPLE, KEYS);
    expect(missingKeys.size).toBe(0);
    expect(config.auth.keys).toEqual([
      {
        name: 'team-a',
        key: 'mx-team',
        weight: { min: 0, max: 0.8 },
        models: ['*'],
        budget: { usd: 20, per: 'day', strict: false },
        rpm: 600,
        role: 'user',
      },
    ]);
    expect(config.providers).toEqual({
      openai: { type: 'openai', api_key: 'sk-openai', stream_usage: true, cache_conversations: false },
      anthropic: { type: 'anthropic', api_key: 'sk-anthropic', stream_usage: true, cache_conversations: false },
      local: { type: 'openai', base_url: 'http://127.0.0.1:11434/v1', stream_usage: true, cache_conversations: false },
    });
    expect(config.resilience.breaker).toEqual({ failures: 5, cooldown_s: 10 });
    expect(config.storage.url).toBe('sqlite:data/mixllm.db');
  });

  it('yields these arms', () => {
    const timeouts = { connectMs: 5000, firstByteMs: 120_000, idleMs: 60_000, totalMs: 600_000 };
    expect(enabledArms(parse(EXAMPLE, KEYS))).toEqual([
      {
        id: 'big',
        provider: 'openai',
        upstreamModel: 'gpt-5',
        price: { input: 1.25, cachedInput: 0.125, cacheWrite: 1.25, output: 10 },
        contextWindow: 400_000,
        maxOutputTokens: null,
        capabilities: ['tools', 'vision', 'json'],
        unsupportedForms: [],
        maxConcurrency: 32,
        prior: 'frontier',
        timeouts,
      },
      {
        id: 'small',
        provider: 'local',
        upstreamModel: 'qwen3:4b',
        price: { input: 0, cachedInput: 0, cacheWrite: 0, output: 0 },
        contextWindow: null,
        maxOutputTokens: null,
        capabilities: [],
        unsupportedForms: [],
        maxConcurrency: 4,
        prior: 'small',
        timeouts,
      },
    ]);
  });

  it('runs with the keys that are set: a missing one turns its provider off', () => {
    const loaded = parse(EXAMPLE, { MIXLLM_KEY_TEAM_A: 'mx-team', OPENAI_API_KEY: '' });
    expect([...loaded.missingKeys]).toEqual([
      ['openai', 'OPENAI_API_KEY'],
      ['anthropic', 'ANTHROPIC_API_KEY'],
    ]);
    expect(enabledArms(loaded).map(({ id }) => id)).toEqual(['small']);
    expect(disabledProviders(loaded)).toEqual([
      'provider "openai" is off (models: big): set OPENAI_API_KEY to turn it on',
      'provider "anthropic" is off (models: none): set ANTHROPIC_API_KEY to turn it on',
    ]);
    expect(disabledProviders(parse(EXAMPLE, KEYS))).toEqual([]);
  });
});

describe('defaults', () => {
  it('are complete for the smallest config', () => {
    expect(parse(MINIMAL).config).toEqual({
      server: { host: '127.0.0.1', port: 8080, max_body_mb: 32, drain_s: 1, shutdown_s: 30, cors_origins: [] },
      auth: { keys: [] },
      providers: { p: { type: 'openai', stream_usage: true, cache_conversations: false } },
      models: [{ id: 'a', provider: 'p', price: { input: 1, output: 2 }, capabilities: [], max_concurrency: 32 }],
      routing: {
        weight: 0.5,
        aliases: {},
        weights: { economy: 0.5, balanced: 0.8, quality: 0.95 },
        latency: { budget_s: 30, beta: 0.25, gamma: 4, xi: 0.5, cap: 100 },
        targets: {},
      },
      resilience: {
        retries: 1,
        max_retry_after_s: 5,
        timeouts: { connect_s: 5, first_byte_s: 120, idle_s: 60, total_s: 600 },
        breaker: { failures: 5, cooldown_s: 10 },
      },
      learning: {
        exploration: 'thompson',
        drift: { slack: 0.15, threshold: 15, remains: 0.5 },
        launch: { tries: 30, budget_usd: 1 },
        sources: {},
        snapshot_change: { remains: 0.25 },
        audit: 0,
        ask: 0,
        implicit: {},
      },
      embedding: { kind: 'lexical', timeout_ms: 250 },
      storage: { url: 'sqlite:data/mixllm.db' },
      logging: { level: 'info' },
    });
  });

  it('fill in what a section omits', () => {
    const { config } = parse(
      `${MINIMAL}resilience: { timeouts: { idle_s: 7 }, breaker: {} }\nrouting: { latency: { cap: 3 } }`,
    );
    expect(config.resilience.timeouts).toEqual({ connect_s: 5, first_byte_s: 120, idle_s: 7, total_s: 600 });
    expect(config.resilience.breaker).toEqual({ failures: 5, cooldown_s: 10 });
    expect(config.routing.latency).toMatchObject({ budget_s: 30, cap: 3 });
  });

  it('also apply to a section whose lines are all commented out', () => {
    const sections = ['server', 'auth', 'routing', 'resilience', 'learning', 'embedding', 'storage', 'logging'];
    const { config } = parse(MINIMAL);
    expect(parse(`${MINIMAL}${sections.map((name) => `${name}:   # none\n`).join('')}`).config).toEqual(config);
    expect(parse(`${MINIMAL}auth: { keys: }\nrouting:\n  targets:\n  weight: 0.7`).config).toEqual({
      ...config,
      routing: { ...config.routing, weight: 0.7 },
    });
    const within = 'routing: { latency: , weights: , aliases: }\nlearning: { drift: , sources: , launch: }\n';
    expect(parse(MINIMAL + within).config).toEqual(config);
    const withoutKeys = EXAMPLE.split('\n').filter((line) => !line.startsWith('  keys:'));
    expect(parse(withoutKeys.join('\n'), KEYS).config.auth.keys).toEqual([]);
    // For a single setting, an empty value is a mistake.
    expect(() => parse(`${MINIMAL}storage: { url: }`)).toThrow('storage.url');
    // And so it is where naming the setting already has a meaning.
    expect(() => parse(`${MINIMAL}learning: { implicit: { abort: } }`)).toThrow('learning.implicit.abort');
    expect(() => parse(`${MINIMAL}lerning:\n`)).toThrow('there is no such setting');
    expect(() => parse(`${MINIMAL.replace('{ p: { type: openai } }', '')}`)).toThrow('providers');
  });

  it('keep the built-in named weights beside those in the file', () => {
    const { routing } = parse(`${MINIMAL}routing: { weights: { thrifty: 0.3, quality: 0.9 } }`).config;
    expect(routing.weights).toEqual({ economy: 0.5, balanced: 0.8, quality: 0.9, thrifty: 0.3 });
  });

  it("let a model's own timeouts and cache prices take precedence, and include Anthropic's cache prices", () => {
    const loaded = parse(`
providers: { o: { type: openai, api_key: k }, a: { type: anthropic, api_key: k } }
models:
  - { id: own, provider: o, price: { input: 2, output: 1, cached_input: 0.5, cache_write: 3, long_prompt: { above: 1, input: 4, output: 2 } }, timeouts: { connect_s: 7, idle_s: 0.5 } }
  - { id: claude, provider: a, price: { input: 4, output: 1, long_prompt: { above: 200000, input: 8, output: 2 } }, max_output_tokens: 8192 }
`);
    const [own, claude] = enabledArms(loaded);
    expect(own.timeouts).toEqual({ connectMs: 7000, firstByteMs: 120_000, idleMs: 500, totalMs: 600_000 });
    expect(own.price).toEqual({
      ...{ input: 2, cachedInput: 0.5, cacheWrite: 3, output: 1 },
      longPrompt: { above: 1, input: 4, cachedInput: 1, cacheWrite: 6, output: 2 },
    });
    expect(claude).toMatchObject({ upstreamModel: 'claude', maxOutputTokens: 8192 });
    expect(claude.price).toEqual({
      ...{ input: 4, cachedInput: 0.4, cacheWrite: 5, output: 1 },
      longPrompt: { above: 200_000, input: 8, cachedInput: 0.8, cacheWrite: 10, output: 2 },
    });
  });
});

describe('the configs that ship', () => {
  it('offer the same models and providers, in the container too', () => {
    const [shipped, inContainer] = ['config', 'docker'].map((folder) => {
      const file = new URL(`../../${folder}/mixllm.yaml`, import.meta.url).pathname;
      const environment = {
        OPENAI_API_KEY: 'sk-some-key',
        ANTHROPIC_API_KEY: 'sk-ant-some-key',
        MIXLLM_KEY: 'k'.repeat(48),
      };
      return loadConfig(file, environment).config;
    });
    expect(inContainer.models).toEqual(shipped.models);
    for (const [name, provider] of Object.entries(inContainer.providers))
      expect(shipped.providers[name]).toEqual(provider);
  });
});

describe('loadConfig', () => {
  it('reads a file, and names one it cannot read', () => {
    const shipped = new URL('../../config/mixllm.yaml', import.meta.url).pathname;
    const variables = [...readFileSync(shipped, 'utf8').matchAll(/\$\{(\w+)/g)].map(([, name]) => [
      name,
      'sk-some-key',
    ]);
    expect(enabledArms(loadConfig(shipped, Object.fromEntries(variables))).length).toBeGreaterThan(0);
    expect(() => loadConfig('/nowhere/mixllm.yaml', {})).toThrow(ConfigError);
    expect(() => loadConfig('/nowhere/mixllm.yaml', {})).toThrow(
      /\/nowhere\/mixllm\.yaml cannot be used:\n {2}- .*ENOENT/,
    );
  });
});

describe('the headers of a provider', () => {
  const text = `providers: { p: { type: openai, base_url: "http://127.0.0.1:1/v1", headers: { Api-Key: "\${AZURE}", X-Title: Demo } } }\nmodels: [{ id: m, provider: p, price: { input: 1, output: 1 } }]`;

  it('are filled in like its key, and turn it off where a variable is not set', () => {
    const { config, missingKeys } = parseConfig(text, 'test.yaml', { AZURE: 'k' });
    expect(config.providers.p.headers).toEqual({ 'Api-Key': 'k', 'X-Title': 'Demo' });
    expect(missingKeys.size).toBe(0);
    expect([...parseConfig(text, 'test.yaml', {}).missingKeys]).toEqual([['p', 'AZURE']]);
  });

  it('may have names that only contain one of those that the gateway sets', () => {
    const headers = { 'X-Forwarded-Host': 'a', 'X-Connection': 'b', 'Host-Id': 'c', 'X-Content-Type': 'd' };
    const renamed = text.replace(/headers: .*? Demo \}/, `headers: ${JSON.stringify(headers)}`);
    const { config } = parseConfig(renamed, 'test.yaml', {});
    expect(config.providers.p.headers).toEqual(headers);
  });
});

describe('the URL of a provider', () => {
  it.each([
    ['https://api.example.com/v1/@cf/ai', true],
    ['https://ann@api.example.com/v1', false],
    ['https://ann:word@api.example.com', false],
  ])('%s: %s', (url, isTaken) => {
    const text = `providers: { p: { type: openai, api_key: k, base_url: "${url}" } }\nmodels: [{ id: m, provider: p, price: { input: 1, output: 1 } }]`;
    if (isTaken) expect(parseConfig(text, 'test.yaml', {}).config.providers.p.base_url).toBe(url);
    else expect(() => parseConfig(text, 'test.yaml', {})).toThrow(/must not contain a user name/);
  });
});

describe('the URL of a proxy', () => {
  it.each([
    ['http://ann:a%20b%40c@proxy.example.com:3128', true],
    ['https://proxy.example.com', true],
    ['http://ann:100%@proxy.example.com', false],
    ['http://proxy.example.com/path', false],
    ['socks5://proxy.example.com', false],
  ])('%s: %s', (proxy, isTaken) => {
    const text = `providers: { p: { type: openai, api_key: k, proxy: "${proxy}" } }\nmodels: [{ id: m, provider: p, price: { input: 1, output: 1 } }]`;
    if (isTaken) expect(parseConfig(text, 'test.yaml', {}).config.providers.p.proxy).toBe(proxy);
    else expect(() => parseConfig(text, 'test.yaml', {})).toThrow(/proxy/);
  });
});
