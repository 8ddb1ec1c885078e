import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MINIMAL, problemsOf } from './support.ts';

const SECRET = 'sk-SECRET-0123456789';
const MODELS = 'models: [{ id: a, provider: p, price: { input: 1, output: 2 } }]\n';
const PROVIDERS = 'providers: { p: { type: openai } }\n';

describe('a config error', () => {
  it.each([
    ['server: { port: 70000 }', /^server\.port \(line 6\): found 70000; .*65535$/],
    ['server: { cors_origins: ["*"] }', /^server\.cors_origins\[0\] \(line 6\): without auth\.keys, any page/],
    [
      'server: { cors_origins: ["https://a.example/"] }',
      /^server\.cors_origins\[0\] \(line 6\): .*; expected an origin such as/,
    ],
    [
      'server: { cors_origins: ["https://A.example"] }',
      /^server\.cors_origins\[0\] \(line 6\): .*; expected an origin such as/,
    ],
    [
      'server: { cors_origins: ["https://a.example:443"] }',
      /^server\.cors_origins\[0\] .*; expected an origin such as/,
    ],
    ['server: { cors_origins: [a.example] }', /^server\.cors_origins\[0\] \(line 6\): .*; expected an origin such as/],
    ['server: { host: 5 }', /^server\.host \(line 6\): found 5; expected a string$/],
    ['routing: { weight: 1.5 }', /^routing\.weight \(line 6\): found 1\.5; .*at most 1$/],
    ['routing:\n  weight: "0.5"', /^routing\.weight \(line 7\): found "0\.5"; expected a number$/],
    ['routing:\n  weights:\n    fast: -1', /^routing\.weights\.fast \(line 8\): found -1; expected at least 0$/],
    [
      'routing: { weights: { Not OK: 0.5 } }',
      /^routing\.weights\.Not OK \(line 6\): found 0\.5; its name: expected a small letter/,
    ],
    ['embedding: { map: "" }', /^embedding\.map \(line 6\): found ""; expected at least 1 character$/],
    ['resilience: { retries: 1.5 }', /^resilience\.retries \(line 6\): found 1\.5; expected a whole number/],
    [
      'resilience: { timeouts: { idle_s: 0 } }',
      /^resilience\.timeouts\.idle_s \(line 6\): found 0; expected more than 0$/,
    ],
    [
      'learning: { exploration: greedy }',
      /^learning\.exploration \(line 6\): found "greedy"; .*"thompson"\|"ucb"\|"none"/,
    ],
    [
      'learning: { audit: { share: 0.1, sources: 5 } }',
      /^learning\.audit \(line 6\): .*; expected a share from 0 to 1/,
    ],
    ['learning: { drift: maybe }', /^learning\.drift \(line 6\): found "maybe"; expected off, or/],
    ['learning: { audit: 2 }', /^learning\.audit \(line 6\): found 2; .*at most 1$/],
    ['storage: { url: data/x.db }', /^storage\.url \(line 6\): found "data\/x\.db"; expected sqlite:PATH/],
    ['embedding: { kind: bert }', /^embedding\.kind \(line 6\): found "bert"; .*"lexical"\|"transformers"/],
    [
      'embedding: { kind: transformers }',
      /^embedding\.model \(line 6\): it is missing; name a folder with a sentence-emb/,
    ],
    ['embedding: { model: x }', /^embedding\.model \(line 6\): it needs kind: transformers/],
    ['logging: { level: }', /^logging.level \(line 6\): found null; expected one of/],
    ['auth: { keys: [{ name: "a b", key: k }] }', /^auth\.keys\[0\]\.name \(line 6\): found "a b"; expected 1 to 64/],
    ['auth: { keys: [{ name: t }] }', /^auth\.keys\[0\]\.key \(line 6\): it is missing; expected a string$/],
    [
      'auth: { keys: [{ name: t, key: k, budget: { usd: 5, per: week } }] }',
      /per \(line 6\): found "week"; .*"day"\|"month"/,
    ],
  ])('names the place, the value found and what is expected: %s', (text, expected) => {
    const problems = problemsOf(`${MINIMAL.trim()}\n\n\n${text}`);
    expect(problems).toEqual([expect.stringMatching(expected)]);
  });

  it.each([
    [
      '{ provider: p, price: { input: 1, output: 2 } }',
      /^models\[0\]\.id \(line 3\): it is missing; expected a string$/,
    ],
    [
      '{ id: a b, provider: p, price: { input: 1, output: 2 } }',
      /^models\[0\]\.id .*found "a b"; expected letters, digits/,
    ],
    ['{ id: a, provider: p }', /^models\[0\]\.price \(line 3\): it is missing; expected a mapping$/],
    [
      '{ id: a, provider: p, price: { input: -1, output: 2 } }',
      /^models\[0\]\.price\.input \(line 3\): found -1; expected at least 0$/,
    ],
    [
      '{ id: a, provider: p, price: { input: 1, output: 2 }, prior: huge }',
      /prior \(line 3\): found "huge"; expected small, mid, frontier/,
    ],
    ['{ id: a, provider: p, price: { input: 1, output: 2 }, prior: { quality: 1.2 } }', /prior.*\(line 3\): found/],
    [
      '{ id: a, provider: p, price: { input: 1, output: 2 }, capabilities: [tools, magic] }',
      /^models\[0\]\.capabilities\[1\] \(line 3\): found "magic"; .*"vision"/,
    ],
  ])('does the same within models: %s', (model, expected) => {
    expect(problemsOf(`${PROVIDERS}models:\n  - ${model}\n`)).toEqual([expect.stringMatching(expected)]);
  });

  it('lists the known settings beside an unknown one', () => {
    const problems = problemsOf(`${MINIMAL}\nrouting:\n  wieght: 0.5\n  latency: { buget_s: 3 }\nsever: {}`);
    expect(problems).toHaveLength(3);
    expect(problems).toContainEqual(
      expect.stringMatching(/^routing\.wieght \(line 7\): there is no such setting; known here: reference, weight,/),
    );
    expect(problems).toContainEqual(
      expect.stringMatching(/^routing\.latency\.buget_s \(line 8\): .*known here: budget_s, beta/),
    );
    expect(problemsOf(`${MINIMAL}learning: { drift: { treshold: 20 } }`)).toEqual([
      expect.stringMatching(/^learning\.drift\.treshold .*known here: slack, threshold, remains$/),
    ]);
    expect(problems).toContainEqual(expect.stringMatching(/^sever \(line 9\): .*known here: server, auth, providers/));
    const inside = problemsOf(
      'providers:\n  p: { type: openai, apikey: k }\nmodels:\n  - { id: a, provider: p, prise: 1, price: { in: 1, input: 1, output: 1 } }',
    );
    expect(inside).toContainEqual(
      expect.stringMatching(/^providers\.p\.apikey \(line 2\): .*known here: type, api_key/),
    );
    expect(inside).toContainEqual(expect.stringMatching(/^models\[0\]\.prise \(line 4\): .*known here: id, provider/));
    expect(inside).toContainEqual(
      expect.stringMatching(/^models\[0\]\.price\.in \(line 4\): .*known here: input, cached_input/),
    );
  });

  it('says what is missing from an empty file, and what is wrong with YAML', () => {
    for (const text of ['', '# nothing', 'null', '{}']) {
      expect(problemsOf(text), text).toEqual([
        expect.stringMatching(/^providers: it is missing/),
        expect.stringMatching(/^models: it is missing/),
      ]);
    }
    expect(problemsOf(`${PROVIDERS}models: [\n`)).toEqual([expect.stringMatching(/^line \d: /)]);
    expect(problemsOf('a: 1\na: 2')).toEqual([expect.stringMatching(/^line 2: .*unique/)]);
    expect(problemsOf('a: *nowhere')).toEqual([expect.stringContaining('alias')]);
    expect(problemsOf(`${PROVIDERS}${MODELS}routing: { weight: &own { of: *own } }`)).toEqual([
      expect.stringMatching(/^routing\.weight .*found a mapping that contains itself/),
    ]);
    const bomb = [
      'a: &a [1,1,1,1,1]',
      ...['b', 'c', 'd', 'e', 'f'].map((name, i) => `${name}: &${name} [${`*${'abcde'[i]},`.repeat(9)}]`),
    ];
    expect(problemsOf(bomb.join('\n'))).toEqual([expect.stringContaining('alias')]);
  });

  it('reports references to unknown names, and duplicate names', () => {
    const text = `
providers: { p: { type: openai } }
models:
  - { id: a, provider: p, price: { input: 1, output: 2 } }
  - { id: a, provider: q, price: { input: 1, output: 2 }, prior: { like: z } }
  - { id: "auto:x", provider: constructor, price: { input: 1, output: 2 } }
  - { id: automatic, provider: p, price: { input: 1, output: 2 }, prior: { like: automatic } }
routing: { reference: nobody }
auth:
  keys:
    - { name: t, key: k1, models: [a, b] }
    - { name: t, key: k2, weight: { min: 0.9, max: 0.1 } }
    - { name: u, key: k1 }
`;
    expect(problemsOf(text)).toEqual([
      expect.stringMatching(/^models\[1\]\.id \(line 5\): "a" appears twice/),
      expect.stringMatching(/^models\[1\]\.provider \(line 5\): no provider is called "q"; known: "p"/),
      expect.stringMatching(/^models\[1\]\.prior\.like \(line 5\): no model has the id "z"; known: "a", "a", "auto:x"/),
      expect.stringMatching(/^models\[2\]\.id \(line 6\): "auto" and names that begin with "auto:"/),
      expect.stringMatching(/^models\[2\]\.provider \(line 6\): no provider is called "constructor"/),
      expect.stringMatching(/^models\[3\]\.prior\.like \(line 7\): it must name another model/),
      expect.stringMatching(/^routing\.reference \(line 8\): no model has the id "nobody"/),
      expect.stringMatching(/^auth\.keys\[0\]\.models\[1\] \(line 11\): no model has the id "b"/),
      expect.stringMatching(/^auth\.keys\[1\]\.name \(line 12\): "t" appears twice/),
      expect.stringMatching(/^auth\.keys\[1\]\.weight \(line 12\): min 0\.9 is above max 0\.1/),
      expect.stringMatching(/^auth\.keys\[2\]\.key \(line 13\): another name has the same key; keys must be unique$/),
    ]);
  });

  it('reports aliases that are already taken, or refer to nothing', () => {
    const aliases =
      '{ gpt-4o: auto, t: auto:0, x: auto:0.7, y: auto:quality, z: a, "*": auto:1, a: auto, auto:v: a, u: b, v: auto:constructor, w: auto:2 }';
    expect(problemsOf(`${PROVIDERS}${MODELS}routing: { aliases: ${aliases} }`)).toEqual([
      expect.stringMatching(/^routing\.aliases\.a .*"a" is already taken/),
      expect.stringMatching(/^routing\.aliases\.auto:v .*"auto:v" is already taken/),
      expect.stringMatching(/^routing\.aliases\.u .*"b" is neither "auto", .* nor one of "auto:economy",/),
      expect.stringMatching(/^routing\.aliases\.v .*"auto:constructor" is neither/),
      expect.stringMatching(/^routing\.aliases\.w .*"auto:2" is neither/),
    ]);
  });

  it('finds groups of models that lead nowhere, and names with a wildcard inside', () => {
    const aliases =
      '{ x: { models: [a, c] }, y: { model: b, models: [a] }, z: { model: auto:1, models: [] }, "openai/*": a, w: { model: auto:2, models: [a] } }';
    expect(problemsOf(`${PROVIDERS}${MODELS}routing: { aliases: ${aliases} }`)).toEqual([
      expect.stringMatching(/^routing\.aliases\.z\.models .*at least 1 item/),
    ]);
    expect(problemsOf(`${PROVIDERS}${MODELS}routing: { aliases: ${aliases.replace('[]', '[a]')} }`)).toEqual([
      expect.stringMatching(/^routing\.aliases\.x\.models\[1\] .*no model has the id "c"/),
      expect.stringMatching(/^routing\.aliases\.y\.model .*it must be "auto" or a weight/),
      expect.stringMatching(/^routing\.aliases\.openai\/\* .*only "\*" alone/),
      expect.stringMatching(/^routing\.aliases\.w .*"auto:2" is neither/),
    ]);
  });

  it.each([
    ['base_url: "https://x.example/v1/chat/completions"', /base_url .*leave out "\/chat\/completions" at its end/],
    ['base_url: "https://x.example/v1/messages/?a=b"', /base_url .*leave out "\/messages\/" at its end/],
    ['cache_conversations: true', /cache_conversations .*it needs type: anthropic/],
    ['api_key: os.environ/KEY', /api_key .*a variable is written \$\{NAME\}/],
    ['headers: { a: "Bearer os.environ/KEY" }', /headers\.a .*a variable is written \$\{NAME\}/],
    ['headers: { a: x, A: y }', /headers .*found a mapping; two of the names differ only in their case/],
    ['headers: { Authorization:Bearer-sk-leak }', /providers\.p\.headers \(line 1\): a name in it is not shown/],
    ['api_key:sk-leak', /providers\.p\.… .*there is no such setting/],
    ['sk-proj-leak', /providers\.p\.… .*there is no such setting/],
    ['headers: { Host: x }', /headers\.Host .*its value is not shown; its name: the gateway sets this header itself/],
    ...['Content-Length', 'content-type', 'Accept-Encoding', 'Proxy-Authorization', 'anthropic-version'].map(
      (header): [string, RegExp] => [`headers: { ${header}: x }`, /: the gateway sets this header itself/],
    ),
    ['headers: { "": x }', /providers\.p\.headers .*; its name: expected the name of a header/],
    [
      'headers: { "a b": SECRET }',
      /providers\.p\.headers .*a name in it is not shown; its name: expected the name of a header/,
    ],
    ['headers: { a: "é" }', /headers\.a .*its value is not shown; expected ASCII/],
  ])('of a provider finds %s', (setting, expected) => {
    expect(problemsOf(`providers: { p: { type: openai, ${setting} } }\n${MODELS}`)).toEqual([
      expect.stringMatching(expected),
    ]);
  });
});

it('refuses an option of a provider of another type, which would do nothing', () => {
  const anthropic = (option: string) => problemsOf(`providers: { p: { type: anthropic, ${option} } }\n${MODELS}`);
  expect(anthropic('stream_usage: false')).toEqual([expect.stringMatching(/stream_usage .*it needs type: openai/)]);
  expect(anthropic('cache_conversations: true, stream_usage: true')).toEqual([]);
});

it("does not take a variable in LiteLLM's form for a key of the gateway, which anybody could guess", () => {
  const keys = '[{ name: ops, key: os.environ/LITELLM_MASTER_KEY, role: admin }]';
  expect(problemsOf(`${PROVIDERS}${MODELS}auth: { keys: ${keys} }`)).toEqual([
    expect.stringMatching(/^auth\.keys\[0\]\.key .*a variable is written/),
  ]);
});

describe('secrets in a config error', () => {
  it.each([
    `auth: { keys: { name: x, key: ${SECRET} } }\n${PROVIDERS}${MODELS}`,
    `auth: { keys: [${SECRET}] }\n${PROVIDERS}${MODELS}`,
    `auth: { keys: ${SECRET} }\n${PROVIDERS}${MODELS}`,
    `auth: [${SECRET}]\n${PROVIDERS}${MODELS}`,
    `auth: { keys: [{ name: x, key: [${SECRET}] }] }\n${PROVIDERS}${MODELS}`,
    `auth: { keys: [{ name: x, key: *${SECRET} }] }\n${PROVIDERS}${MODELS}`,
    `auth: { keys: [{ name: x, key: "${SECRET}\\q" }] }\n${PROVIDERS}${MODELS}`,
    `providers: [{ type: openai, api_key: ${SECRET} }]\n${MODELS}`,
    `providers: { p: ${SECRET} }\n${MODELS}`,
    `providers: ${SECRET}\n${MODELS}`,
    `providers: { "bad name": { type: openai, api_key: ${SECRET} } }\n${MODELS}`,
    `providers: { p: { type: openai, api_key: { value: ${SECRET} } } }\n${MODELS}`,
    `providers:\n  p:\n    type: openai\n    api_key: |x${SECRET}\n${MODELS}`,
    `- auth: { keys: [{ name: x, key: ${SECRET} }] }`,
    SECRET,
    `${PROVIDERS}${MODELS}storage: { url: "postgres://user:${SECRET}@db/mixllm" }`,
    `providers: { p: { type: openai, base_url: "ftp://user:${SECRET}@host/v1" } }\n${MODELS}`,
    `providers: { p: { type: openai, base_url: "htp://host/v1?api-key=${SECRET}&x" } }\n${MODELS}`,
    `providers: { p: { type: openai, base_url: "htp://host/v1?api-key=a@${SECRET}" } }\n${MODELS}`,
    `providers: { p: { type: openai, base_url: "htp://user:${SECRET}?@host/v1" } }\n${MODELS}`,
    `providers: { p: { type: openai, base_url: 'host/v1?"${SECRET}' } }\n${MODELS}`,
    `providers: { p: { type: openai, proxy: "socks://host?${SECRET}" } }\n${MODELS}`,
  ])('are not shown: %#', (text) => {
    const problems = problemsOf(text);
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.join('\n')).not.toContain('SECRET');
  });

  it('are replaced by the type of value found', () => {
    const url = `providers: { p: { type: openai, base_url: "htp://host/v1?api-key=${SECRET}" } }\n${MODELS}`;
    expect(problemsOf(url)).toEqual([expect.stringMatching(/found "htp:\/\/host\/v1\?…"; expected a URL such as/)]);
    expect(problemsOf(`auth: { keys: { name: x, key: k } }\n${PROVIDERS}${MODELS}`)).toEqual([
      'auth.keys (line 1): found a mapping; expected a list',
    ]);
    expect(problemsOf(`providers: [k]\n${MODELS}`)).toEqual(['providers (line 1): found a list; expected a mapping']);
    expect(problemsOf(`providers: { p: k }\n${MODELS}`)).toEqual([
      'providers.p (line 1): its value is not shown; expected a mapping',
    ]);
  });

  it('are rejected if no header could carry them', () => {
    const problems = [
      `providers: { p: { type: openai, api_key: "sk-ключ-0123" } }\n${MODELS}`,
      `${PROVIDERS}${MODELS}auth: { keys: [{ name: t, key: "${SECRET}\\u0001" }] }`,
      `${PROVIDERS}${MODELS}auth: { keys: [{ name: t, key: "two words" }] }`,
    ].map((text) => problemsOf(text));
    expect(problems).toEqual([
      [expect.stringMatching(/^providers\.p\.api_key \(line 1\): its value is not shown; expected ASCII/)],
      [expect.stringMatching(/^auth\.keys\[0\]\.key \(line 3\): its value is not shown; expected ASCII/)],
      [expect.stringMatching(/^auth\.keys\[0\]\.key \(line 3\): its value is not shown; it must not contain spaces/)],
    ]);
  });

  it('are rejected if they contain a malformed variable, whose text would become the key', () => {
    for (const rest of ['TEAM-KEY}', 'TEAM.KEY}', 'TEAM', '1A}', `A:-\${B}}`, '}']) {
      expect(problemsOf(`${PROVIDERS}${MODELS}auth: { keys: [{ name: t, key: "sk-\${${rest}" }] }`), rest).toEqual([
        expect.stringMatching(/^auth\.keys\[0\]\.key \(line 3\): a variable is written \$\{NAME\} or /),
      ]);
    }
  });

  it('are not shown, whatever the key and the other errors are', () => {
    const wrongs = ['port: 99999', 'unknown: 1', 'host: []'];
    fc.assert(
      fc.property(
        fc.string({ minLength: 8, maxLength: 40 }),
        fc.constantFrom(...wrongs),
        fc.boolean(),
        (noise, wrong, quoted) => {
          const secret = `${SECRET}${noise}`;
          const literal = quoted ? JSON.stringify(secret) : `\${KEY}`;
          const text = `server: { ${wrong} }\nauth: { keys: [{ name: t, key: ${literal}, rpm: -1, weight: { max: 2 } }] }\nproviders: { p: { type: nothing, api_key: ${literal} } }\n${MODELS}`;
          const problems = problemsOf(text, { KEY: secret });
          expect(problems.length).toBeGreaterThanOrEqual(4);
          expect(problems.join('\n')).not.toContain('SECRET');
        },
      ),
    );
  });

  const noise = fc.oneof(
    fc.string({ maxLength: 6 }),
    fc.string({
      unit: fc.constantFrom('!', '|', '>', '*', '&', '%', '@', ':', ' ', '"', "'", '{', '[', '-', '<', 'x'),
      maxLength: 4,
    }),
  );

  it('are not shown if they are written in the file and break its YAML', () => {
    fc.assert(
      fc.property(noise, noise, (before, after) => {
        const text = `providers:\n  p:\n    type: openai\n    api_key: ${before}${SECRET}${after}\n    base_url: 7\n${MODELS}`;
        expect(problemsOf(text).join('\n')).not.toContain('SECRET');
      }),
      { numRuns: 500 },
    );
  });
});
