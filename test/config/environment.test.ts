// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax that is tested
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse, problemsOf } from './support.ts';

const withKey = (text: string) => `
providers: { p: { type: openai, api_key: ${text} } }
models: [{ id: a, provider: p, price: { input: 1, output: 2 } }]
`;
const keyFrom = (text: string, environment: Record<string, string> = {}) =>
  parse(withKey(text), environment).config.providers.p.api_key;
/** A setting that accepts any text, unlike a key. */
const withName = (text: string) => `
providers: { p: { type: openai } }
models: [{ id: a, model: ${text}, provider: p, price: { input: 1, output: 2 } }]
`;
const nameFrom = (text: string, environment: Record<string, string> = {}) =>
  parse(withName(text), environment).config.models[0].model;

describe('variables in the config', () => {
  it.each([
    ['plain, in a flow mapping', '${KEY}'],
    ['in double quotes', '"${KEY}"'],
    ['in single quotes', "'${KEY}'"],
  ])('are filled in %s', (_, text) => {
    expect(keyFrom(text, { KEY: 'sk-1' })).toBe('sk-1');
  });

  it('are filled in within other text, repeatedly, in block style and in lists', () => {
    expect(keyFrom('pre-${A}-${B}-${A}', { A: '1', B: '2' })).toBe('pre-1-2-1');
    const block =
      'providers:\n  p:\n    type: openai\n    api_key: ${A}\nmodels:\n  - id: ${B}\n    provider: p\n    price: {input: 1, output: 1}\n    capabilities:\n      - ${C}\n';
    const { config } = parse(block, { A: 'k', B: 'model-b', C: 'tools' });
    expect(config.providers.p.api_key).toBe('k');
    expect(config.models[0]).toMatchObject({ id: 'model-b', capabilities: ['tools'] });
  });

  it('take their default if they are unset or empty', () => {
    expect(keyFrom('${KEY:-sk-default}')).toBe('sk-default');
    expect(keyFrom('${KEY:-sk-default}', { KEY: '' })).toBe('sk-default');
    expect(keyFrom('${KEY:-sk-default}', { KEY: 'sk-set' })).toBe('sk-set');
    expect(keyFrom('"${KEY:-a: b, [c] # d}"')).toBe('a: b, [c] # d');
    // An empty default is not a key: the provider is off.
    expect([...parse(withKey('${KEY:-}')).missingKeys]).toEqual([['p', 'providers.p.api_key']]);
  });

  it('can be a port if they hold only digits', () => {
    const port = (value: string) => `${withKey('k')}server: { port: ${value} }`;
    expect(parse(port('${PORT}'), { PORT: '9000' }).config.server.port).toBe(9000);
    expect(parse(port('${PORT:-8081}')).config.server.port).toBe(8081);
    for (const bad of ['http', '', '-1', '65536', '1e3', ' 80', '0x50', 'null', 'true']) {
      expect(problemsOf(port('${PORT:-x}'), { PORT: bad }), bad).toHaveLength(1);
    }
    for (const bad of ['[]', 'null', 'true', '""', '{}', '8080.5']) expect(problemsOf(port(bad)), bad).toHaveLength(1);
  });

  it('become numbers or booleans where the schema requires them, and otherwise stay text', () => {
    const config = (...values: string[]) => {
      const [weight, usd, quality, streamUsage, key] = values;
      return `
providers: { p: { type: openai, api_key: k, stream_usage: ${streamUsage} } }
auth: { keys: [{ name: a, key: ${key}, budget: { usd: ${usd}, per: day } }] }
models: [{ id: a, provider: p, price: { input: 1, output: 2 }, prior: { quality: "${quality}" } }]
routing: { weight: ${weight}, targets: { quality: ${quality}, budget: { usd_per_day: ${usd} } } }`;
    };
    const environment = { W: '0.25', USD: '20', Q: '0.97', NO: 'false', KEY: '1234567890123456' };
    const asked = config('${W}', '${USD:-5}', '${Q}', '${NO}', '${KEY}');
    expect(parse(asked, environment).config).toEqual(
      parse(config('0.25', '20', '0.97', 'false', '"1234567890123456"').replace('"0.97"', '0.97')).config,
    );
    for (const text of ['.25', '25e-2', '2.5E-1'])
      expect(parse(asked, { ...environment, W: text }).config.routing.weight, text).toBe(0.25);
    expect(problemsOf(config('${W}', '"20"', '0.97', 'true', 'k'), environment)).toEqual([
      expect.stringContaining('auth.keys[0].budget.usd'),
      expect.stringContaining('prior'),
      expect.stringContaining('routing.targets.budget'),
    ]);
    expect(problemsOf(asked, { ...environment, W: '1.5' })).toEqual([expect.stringMatching(/routing.weight.*1\.5/)]);
    const misplaced = asked.replace(/p: \{.*?\}/, 'p: ${KEY}');
    expect(problemsOf(misplaced, environment).join()).not.toContain(environment.KEY);
    expect(problemsOf(asked, { ...environment, W: '0,5' })).toEqual([expect.stringMatching(/routing.weight.*number/)]);
  });

  it('are not filled in within comments or malformed references', () => {
    expect(parse(`# \${NOT_SET}\n${withKey('k')}# ${'$'}{NEITHER}`).missingKeys.size).toBe(0);
    expect(keyFrom('"$KEY $${A}"', { A: 'x' })).toBe('$KEY $x');
  });

  it('cannot change the structure, whatever they hold, and are not expanded again', () => {
    const nasty = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '}',
        'x }, evil: { type: openai',
        '\n  evil: 1',
        '# comment',
        '*alias',
        '&anchor',
        '"',
        "'",
        'null',
        'true',
        '12',
        '~',
        '!!int 3',
        '${OTHER}',
        '${KEY}',
        '$&$1',
        '---',
        '- a',
        ': ',
        '\u2028',
      ),
    );
    fc.assert(
      fc.property(nasty, fc.constantFrom('${KEY}', '"${KEY}"', "'${KEY}'"), (value, text) => {
        fc.pre(value !== '');
        const { config } = parse(withName(text), { KEY: value, OTHER: 'never' });
        expect(config.models).toEqual([{ ...parse(withName('m')).config.models[0], model: value }]);
        expect(config.providers).toEqual(parse(withName('m')).config.providers);
      }),
    );
    // Surrounding white space is trimmed: secrets mounted as files end in a line break.
    expect(keyFrom('${KEY}', { KEY: ' sk-1\n' })).toBe('sk-1');
  });

  it('turn a provider off if its key is not set, and are an error anywhere else', () => {
    expect([...parse(withKey('${KEY}')).missingKeys]).toEqual([['p', 'KEY']]);
    expect([...parse(withKey('"Bearer ${KEY}"')).missingKeys]).toEqual([['p', 'KEY']]);
    const text = `
providers: { p: { type: openai, base_url: "\${BASE}" } }
models:
  - { id: a, provider: p, price: { input: 1, output: 2 } }
  - id: b
    provider: p
    model: \${MODEL}
    price: { input: 1, output: 2 }
auth: { keys: [{ name: t, key: \${TEAM_KEY} }] }
server: { host: "\${HOST}:1" }
`;
    expect(problemsOf(text, { BASE: 'http://x/v1' }).sort()).toEqual([
      'auth.keys[0].key (line 9): the environment variable TEAM_KEY is not set',
      'models[1].model (line 7): the environment variable MODEL is not set',
    ]);
    const filled = { BASE: 'http://x/v1', MODEL: 'm', TEAM_KEY: 'k' };
    expect(problemsOf(text, filled)).toEqual(['server.host (line 10): the environment variable HOST is not set']);
    expect(problemsOf(text, { ...filled, HOST: 'h', BASE: '' })).toEqual([
      'providers.p.base_url (line 2): the environment variable BASE is not set',
    ]);
  });

  it('are shown unexpanded in an error if used in the name of a setting', () => {
    expect(
      problemsOf(
        'providers: { p: { type: openai, ${WHAT}: 1 } }\nmodels: [{ id: a, provider: p, price: { input: 1, output: 2 } }]',
        { WHAT: 'api_key' },
      ),
    ).toEqual([expect.stringContaining('providers.p.${WHAT} (line 1): there is no such setting')]);
  });

  it('are refused in names that could be any, which would match nothing', () => {
    const named = (section: string) =>
      problemsOf(`${withKey('sk-1')}${section}`.replaceAll('NAMED', '"${NAMED}"'), { NAMED: 'gpt-4o' });
    expect(named('routing: { aliases: { NAMED: auto } }')).toEqual([
      'routing.aliases.${NAMED} (line 4): a variable is filled in only in values: write the name itself',
    ]);
    expect(named('learning: { sources: { NAMED: { true_positive: 0.9, false_positive: 0.1 } } }')).toEqual([
      expect.stringMatching(/^learning\.sources\.\$\{NAMED\} \(line 4\): a variable is filled in only in values/),
    ]);
  });

  it('are not confused by the characters used as internal placeholders', () => {
    expect(nameFrom('"\uE0007\uE001"')).toBe('\uE0007\uE001');
    expect(nameFrom('"\uE000"')).toBe('\uE000');
  });
});
