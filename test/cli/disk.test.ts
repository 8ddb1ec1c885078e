import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, type TestContext } from 'vitest';
import { ServeProcess } from '../../bench/support/serve-process.ts';
import { SqliteEventStore } from '../../src/store/sqlite/sqlite-event-store.ts';
import { ask, get, send } from '../support/gateway.ts';
import { COMPLETION, type RawUpstream, startRawUpstream } from '../support/raw-upstream.ts';
import { until } from '../support/until.ts';

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
/** Root can write anywhere, so the gateway runs as nobody, who may not be able to enter the folder of the clone. */
const nobodyCanRun =
  isRoot &&
  spawnSync(process.execPath, ['-e', 'fs.accessSync(process.argv[1])', fileURLToPath(import.meta.url)], {
    uid: NOBODY,
    gid: NOBODY,
    stdio: 'ignore',
  }).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'mixllm-disk-'));
const disk = join(folder, 'disk');
mkdirSync(disk);
/** A file system of a few hundred kilobytes. Needs root, in a container that allows it. */
const mounted =
  isRoot &&
  spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=400k', 'mixllm-test', disk], { stdio: 'ignore' }).status === 0;
afterAll(() => {
  if (mounted) execFileSync('umount', ['-l', disk]);
  rmSync(folder, { recursive: true });
});

function writeConfig(upstream: RawUpstream, database: string): string {
  const file = join(folder, `${database.replaceAll('/', '-')}.yaml`);
  writeFileSync(
    file,
    `server: { port: 0, drain_s: 0 }
providers: { p: { type: openai, base_url: "${upstream.url}" } }
models: [{ id: m, provider: p, price: { input: 1, output: 2 } }]
storage: { url: "sqlite:${database}" }
`,
  );
  return file;
}

/** The gateway as a process, with an upstream that gives every completion its own id. */
async function serving(database: string, { onTestFinished }: TestContext, options = {}) {
  let answers = 0;
  const upstream = await startRawUpstream((response) =>
    response.end(JSON.stringify({ ...COMPLETION, id: `c-${++answers}` })),
  );
  onTestFinished(() => upstream.close());
  const gateway = await ServeProcess.start(writeConfig(upstream, database), options);
  onTestFinished(async () => void (await gateway.end('SIGKILL')));
  const answer = async () => {
    const { status, headers } = await send(`${gateway.url}/v1/chat/completions`, ask('Hello'));
    expect(status).toBe(200);
    return String(headers.get('x-mixllm-decision-id'));
  };
  const rate = async (id: string) => (await send(`${gateway.url}/feedback`, { id, score: 1 })).status;
  const degraded = async () => (await get(`${gateway.url}/metrics`)).text.includes('mixllm_degraded{part="store"} 1');
  return { gateway, answer, rate, degraded };
}

async function ratingsIn(database: string): Promise<number> {
  const store = new SqliteEventStore(database);
  const events = await store.readAfter(0, 100_000);
  await store.close();
  return events.filter(({ type }) => type === 'rated').length;
}

describe('a full disk', () => {
  it.skipIf(!mounted)(
    'is not reported as healthy by a retry that has nothing to write (needs root and mount)',
    async () => {
      const store = new SqliteEventStore(join(disk, 'idle.db'));
      const filler = join(disk, 'filler');
      expect(await store.append([])).toEqual([]);
      spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=1k'], { stdio: 'ignore' });
      await expect(store.append([])).rejects.toThrow(/full/);
      rmSync(filler);
      expect(await store.append([])).toEqual([]);
      await store.close();
      for (const end of ['', '-wal', '-shm']) rmSync(join(disk, `idle.db${end}`), { force: true });
    },
  );
});

// Concurrent, because they mostly wait.
describe.concurrent('a full disk', () => {
  it.skipIf(!mounted)(
    'fails no request, answers ratings 503, is reported, and recovers without a restart (needs root and mount)',
    async (test) => {
      const filler = join(disk, 'filler');
      const database = join(disk, 'log.db');
      const { gateway, answer, rate, degraded } = await serving(database, test);
      let taken = 0;
      const first = await answer();
      expect(await rate(first)).toBe(202);
      taken++;
      spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=1k'], { stdio: 'ignore' });
      // The log still has some pages allocated.
      for (let i = 0; i < 300 && (await rate(await answer())) === 202; i++) taken++;
      expect(await degraded()).toBe(true);
      for (let i = 0; i < 5; i++) expect(await rate(await answer())).toBe(503);
      expect(gateway.output).toMatch(/"level":50.*full.*The event store failed/);

      rmSync(filler);
      execFileSync('mount', ['-o', 'remount,size=20m', disk]);
      await until(async () => !(await degraded()));
      expect(await rate(await answer())).toBe(202);
      expect(gateway.output).toContain('The event store works again.');
      expect((await get(`${gateway.url}/metrics`)).text).toContain('mixllm_events_lost_total 0');
      expect(await gateway.end('SIGTERM')).toBe(0);
      expect(await ratingsIn(database)).toBe(taken + 1);
    },
    600_000,
  );
});

describe.concurrent('a read-only database file', () => {
  it.skipIf(isRoot && !nobodyCanRun)(
    'fails no request, answers ratings 503, is reported, and recovers without a restart (skipped for root in a folder that others may not enter)',
    async (test) => {
      const own = join(folder, 'own');
      const database = join(own, 'log.db');
      mkdirSync(own);
      chmodSync(folder, 0o755);
      const before = new SqliteEventStore(database);
      await before.lastSequence();
      await before.close();
      if (isRoot) for (const path of [own, database]) chownSync(path, NOBODY, NOBODY);
      chmodSync(database, 0o444);
      chmodSync(own, 0o555);
      const { gateway, answer, rate, degraded } = await serving(
        database,
        test,
        isRoot ? { uid: NOBODY, gid: NOBODY } : {},
      );
      for (let i = 0; i < 3; i++) expect(await rate(await answer())).toBe(503);
      expect(await degraded()).toBe(true);
      expect(gateway.output).toMatch(/"level":50.*readonly.*The event store failed/);
      expect(gateway.output).toMatch(/log\.db is not writable for user \d+: change its owner/);

      chmodSync(own, 0o755);
      chmodSync(database, 0o644);
      await until(async () => !(await degraded()));
      expect(await rate(await answer())).toBe(202);
      expect(await gateway.end('SIGTERM')).toBe(0);
      if (isRoot) chownSync(database, 0, 0);
      expect(await ratingsIn(database)).toBe(1);
    },
    600_000,
  );
});

describe.concurrent('a database in a folder that cannot be created', () => {
  it.skipIf(isRoot && !nobodyCanRun)('is reported with the path that is not writable', async (test) => {
    const closed = join(folder, 'closed');
    mkdirSync(closed);
    chmodSync(folder, 0o755);
    chmodSync(closed, 0o555);
    const { gateway, answer, rate } = await serving(
      join(closed, 'new', 'log.db'),
      test,
      isRoot ? { uid: NOBODY, gid: NOBODY } : {},
    );
    expect(await rate(await answer())).toBe(503);
    expect(gateway.output).toMatch(/EACCES.*closed is not writable for user \d+: change its owner/);
  });
});

describe.concurrent('a corrupt database', () => {
  it('fails no request, answers ratings 503, is reported, and needs no restart once it is removed', async (test) => {
    const database = join(folder, 'corrupt.db');
    writeFileSync(database, 'This is a shopping list, and no database. '.repeat(200));
    const { gateway, answer, rate, degraded } = await serving(database, test);
    for (let i = 0; i < 3; i++) expect(await rate(await answer())).toBe(503);
    expect(await degraded()).toBe(true);
    expect(gateway.output).toMatch(/"level":50.*not a database.*The event store failed/);
    rmSync(database);
    await until(async () => !(await degraded()));
    expect(await rate(await answer())).toBe(202);
    expect(await gateway.end('SIGTERM')).toBe(0);
    expect(await ratingsIn(database)).toBe(1);
  }, 600_000);
});
