import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import { replay } from '../../src/cli/replay.ts';
import type { ReplayReport } from '../../src/offline/replay/report.ts';
import { seededRandom } from '../../src/util/random.ts';
import { ask, plainAnswer, send, settled, startTestGateway, type TestGateway } from '../support/gateway.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const QUERIES = 140;
const folder = mkdtempSync(join(tmpdir(), 'mixllm-replay-'));
const config = join(folder, 'mixllm.yaml');
const storage = { url: `sqlite:${join(folder, 'log.db')}` };
// Similar enough for the gateway to try both; a tier brings prior slopes with it.
const models = {
  big: { price: { input: 1, output: 2 }, prior: 'mid' },
  small: { price: { input: 0.9, output: 1.8 }, prior: { like: 'big' } },
};
let test: TestGateway;

beforeAll(async () => {
  test = await usedGateway();
  const provider = { type: 'openai', api_key: 'sk-x', base_url: 'http://127.0.0.1:9' };
  writeFileSync(
    config,
    stringify({
      providers: { big: provider, small: provider },
      models: Object.entries(models).map(([id, fields]) => ({ id, provider: id, ...fields })),
      storage,
    }),
  );
});
afterAll(async () => {
  await test.close();
  rmSync(folder, { recursive: true });
});
afterEach(() => void vi.restoreAllMocks());

/** A gateway that routed queries, most of them rated, and one for a client that named the model. */
async function usedGateway() {
  const test = await startTestGateway({
    answers: { big: plainAnswer(), small: plainAnswer() },
    models,
    config: { storage, routing: { targets: { quality: { share: 0.9, confidence: 0.2 } } } },
    random: seededRandom(5),
  });
  const random = seededRandom(6);
  const query = async (model: string) => {
    const answer = await send(`${test.url}/v1/chat/completions`, ask('What now?', { model }));
    expect(answer.status).toBe(200);
    const score = Number(random.uniform() < 0.8);
    if (random.uniform() < 0.8) await send(`${test.url}/feedback`, { id: answer.json.id, score });
  };
  for (let sent = 0; sent < QUERIES; sent++) {
    await query('auto:0.9');
    await settled(test);
  }
  await query('big');
  await settled(test);
  return test;
}

function policyFile(policy: object): string {
  const path = join(folder, 'policy.yaml');
  writeFileSync(path, stringify(policy));
  return path;
}

/** Runs the command in a process of its own. */
async function command(policy: object, ...options: string[]): Promise<{ code: unknown; stdout: string }> {
  const argv = [MAIN, 'replay', '-c', config, '--policy', policyFile(policy), ...options];
  return promisify(execFile)(process.execPath, argv).then(
    ({ stdout }) => ({ code: 0, stdout }),
    ({ code, stdout }) => ({ code, stdout }),
  );
}

describe('mixllm replay', () => {
  it('estimates from the log of a running gateway', async () => {
    const printed: string[] = [];
    vi.spyOn(console, 'log').mockImplementation((text) => printed.push(text));
    await replay({ config, policy: policyFile({}), json: true });
    const same: ReplayReport = JSON.parse(printed[0]);
    expect(same).toMatchObject({
      policy: {},
      decisions: QUERIES + 1,
      usable: QUERIES,
      left_out: { named: 1 },
      continued: 0,
      feature_map: expect.stringMatching(/^lexical-/),
      refused: null,
    });
    expect(same.rated).toBeGreaterThan(0.6 * QUERIES);
    // The config of the replay has no quality target; the logged decisions had one, which excluded arms.
    const log = await test.gateway.store.readAfter(0, 2000);
    const keptOut = log.filter((e) => e.type === 'decided' && e.decision.arms.some((arm) => arm.keptOut === 'quality'));
    expect(keptOut.length).toBeGreaterThan(0);
    expect(same.support.mean_ratio).toBeCloseTo(1, 9);
    expect(same.support.largest_ratio).toBeCloseTo(1, 9);
    expect(same.estimates?.ips.cost_usd.mean).toBeCloseTo(same.logged?.cost_usd.mean ?? 0, 8);

    // The same learner, rebuilt from the file, also reproduces the decisions of the running gateway.
    await replay({ config, policy: policyFile({ priors: {} }), json: true });
    const rebuilt: ReplayReport = JSON.parse(printed.pop() ?? '');
    expect(rebuilt.support.mean_ratio).toBeCloseTo(1, 3);
    expect(rebuilt.support.largest_ratio).toBeCloseTo(1, 2);

    await replay({ config, policy: policyFile({ weight: 0.85 }) });
    expect(printed[1]).toMatch(/^2.*\n141 decisions, 140 usable, \d+ of them rated\n {2}1 left out: the client named/);
    expect(printed[1]).toMatch(/doubly robust +0\.\d{3} \[0\.\d{3}, [\d.]+\] +0\.0000\d\d \[/);
    expect(printed[1]).toMatch(/effective sample size: \d+ ratings, \d+ costs/);

    await replay({ config, policy: policyFile({}), since: Date.now() - 3_600_000 });
    expect(printed[2]).toContain('140 usable');
  });

  it('refuses with exit code 1 and prints the reason on standard output', async () => {
    const { code, stdout } = await command({ models: ['medium'] }, '--json');
    expect(code).toBe(1);
    const report: ReplayReport = JSON.parse(stdout);
    expect(report.refused).toContain('medium was not a candidate in any decision of this period');
    expect(report).toMatchObject({ estimates: null, difference: null, support: { unservable_share: 1 } });

    const printed = vi.spyOn(console, 'log').mockImplementation(() => {});
    await replay({ config, policy: policyFile({}), since: Date.UTC(2100) });
    expect(printed).toHaveBeenCalledWith('The log holds no decisions in this period.');
    expect(process.exitCode).toBe(1);
    process.exitCode = undefined;
  });

  it('says what is wrong with the policy file', async () => {
    await expect(replay({ config, policy: policyFile({ wait: 1 }) })).rejects.toThrow(/wait \(line 1\): .*known here/);
    await expect(replay({ config, policy: policyFile({ priors: { bgi: 'mid' } }) })).rejects.toThrow(
      /a prior for "bgi", but the config has no such model; it has: big, small/,
    );
  });
});
