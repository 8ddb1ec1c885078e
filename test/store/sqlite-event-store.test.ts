import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { toRow } from '../../src/store/event-row.ts';
import { UnusableStorageError } from '../../src/store/event-store.ts';
import { SqliteDatabase } from '../../src/store/sqlite/database.ts';
import { SqliteEventReader } from '../../src/store/sqlite/sqlite-event-reader.ts';
import { SqliteEventStore } from '../../src/store/sqlite/sqlite-event-store.ts';
import { TimeLimitedStore } from '../../src/store/time-limited-store.ts';
import { systemClock } from '../../src/util/clock.ts';
import { completed, decided, randomStream, rated, withdrawn } from '../gateway/unit/support.ts';
import { keptThreads } from '../support/kept-threads.ts';
import { describeEventStoreContract } from './event-store-contract.ts';

let folder = '';
const makeFolder = async () => {
  folder = await mkdtemp(join(tmpdir(), 'mixllm-store-'));
};
const removeFolder = () => rm(folder, { recursive: true, force: true });
const disk = mkdtempSync(join(tmpdir(), 'mixllm-full-'));
/** A file system of a few hundred kilobytes. Needs root, in a container that allows it. */
const mounted =
  process.getuid?.() === 0 &&
  spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=400k', 'mixllm-test', disk], { stdio: 'ignore' }).status === 0;
afterAll(() => {
  if (mounted) execFileSync('umount', ['-l', disk]);
  rmSync(disk, { recursive: true, force: true });
});

/** Empty for a descriptor that has been closed in the meantime. */
function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

const file = () => join(folder, 'not', 'yet', 'there', 'log.db');

describeEventStoreContract('SQLite file', {
  async open() {
    await makeFolder();
    return new SqliteEventStore(file());
  },
  reopen: async () => new SqliteEventStore(file()),
  dispose: removeFolder,
});

describeEventStoreContract('SQLite in memory', {
  open: async () => new SqliteEventStore(':memory:', keptThreads),
  reopen: null,
  dispose: async () => {},
});

describeEventStoreContract('SQLite under a time limit', {
  open: async () => new TimeLimitedStore(new SqliteEventStore(':memory:', keptThreads), systemClock, 10_000),
  reopen: null,
  dispose: async () => {},
});

describe('SqliteEventStore', () => {
  let path = '';
  const stores: SqliteEventStore[] = [];
  const open = () => {
    const store = new SqliteEventStore(path);
    stores.push(store);
    return store;
  };
  beforeEach(async () => {
    await makeFolder();
    path = join(folder, 'log.db');
  });
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close();
    await removeFolder();
  });

  it('creates files that other users of the machine cannot read', async () => {
    await open().append(randomStream(1, 1));
    for (const name of [path, `${path}-wal`]) expect((await stat(name)).mode & 0o007).toBe(0);
  });

  it('has a commit on disk before it reports it, visible to another connection without closing', async () => {
    const store = open();
    const stream = randomStream(10, 1);
    await store.append(stream);
    const other = new DatabaseSync(path, { readOnly: true });
    expect(other.prepare('SELECT count(*) AS n FROM events').get()).toEqual({ n: stream.length });
    expect(other.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
    other.close();
  });

  it('tells the next writer that the file was replaced, even if a reader found out first', async () => {
    const store = open();
    await store.append([decided('a')]);
    for (const end of ['', '-wal', '-shm']) await rm(`${path}${end}`);
    await expect(store.findDecision('a')).rejects.toThrow('removed or replaced');
    expect(await store.findDecision('a')).toEqual([]);
    // Otherwise the reader would continue the old state with events of the new file.
    await expect(store.lastSequence()).rejects.toThrow('closed after an earlier failure');
    await expect(store.append([decided('b')])).rejects.toThrow('closed after an earlier failure');
    // Not before the retried append has opened the new file: until then, the old state is what would be compared.
    await expect(store.readAfter(0, 10)).rejects.toThrow('closed after an earlier failure');
    expect(await store.append([decided('b')])).toMatchObject([{ sequence: 1 }]);
    expect(await store.lastSequence()).toBe(1);
  });

  it('supports several connections to one file, even if all of them create it', async () => {
    const [one, two, ...more] = Array.from({ length: 5 }, open);
    await Promise.all([one, two, ...more].map((store) => store.lastSequence()));
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => (i % 2 ? one : two).append([decided(`d${i}`), completed(`d${i}`)])),
    );
    const read = await one.readAfter(0, 1000);
    expect(read).toEqual(await two.readAfter(0, 1000));
    expect(read).toHaveLength(80);
    await one.append([{ ...rated('d0', 'fb-1', 1), idempotencyKey: 'key' }]);
    expect(await two.append([{ ...rated('d0', 'fb-2', 1), idempotencyKey: 'key' }])).toMatchObject([
      { feedbackId: 'fb-1' },
    ]);
  });

  it('upgrades a file of an earlier schema: events are kept, old snapshots are dropped', async () => {
    const before = open();
    await before.append([decided('d'), completed('d')]);
    await before.close();
    const database = new DatabaseSync(path);
    database.exec(`DROP TABLE snapshots;
      CREATE TABLE snapshots (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
      INSERT INTO snapshots VALUES ('learner', 2, '{"key": "text"}');
      PRAGMA user_version = 2`);
    database.close();
    const store = open();
    expect(await store.loadSnapshot('learner')).toBeNull();
    expect((await store.findDecision('d')).map(({ type }) => type)).toEqual(['decided', 'completed']);
    await store.saveSnapshot('learner', { sequence: 2, body: Uint8Array.of(1) });
    expect((await store.loadSnapshot('learner'))?.sequence).toBe(2);
  });

  it('rejects a file of a newer schema with a clear message, and leaves it unchanged', async () => {
    await open().append([decided('d')]);
    await stores.pop()?.close();
    const database = new DatabaseSync(path);
    database.exec('ALTER TABLE events ADD COLUMN kind TEXT; PRAGMA user_version = 99');
    database.close();
    const before = await readFile(path);
    const store = open();
    await expect(store.append([decided('e')])).rejects.toThrow(/schema 99.*knows 3/);
    await expect(store.lastSequence()).rejects.toThrow(UnusableStorageError);
    await expect(store.readAfter(0, 10)).rejects.toThrow(path);
    await expect(store.close()).resolves.toBeUndefined();
    expect(await readFile(path)).toEqual(before);
  });

  it('rejects every call on a file that is not a database, without crashing the process', async () => {
    await writeFile(path, 'This is a shopping list, not a database. '.repeat(200));
    const store = open();
    const calls = [
      store.append([decided('d')]),
      store.readAfter(0, 1),
      store.findDecision('d'),
      store.lastSequence(),
      store.saveSnapshot('s', { sequence: 0, body: new Uint8Array(0) }),
      store.loadSnapshot('s'),
    ];
    for (const result of await Promise.allSettled(calls)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { message: expect.stringContaining(path) } });
    }
    await expect(store.close()).resolves.toBeUndefined();
  });

  it('rejects reading a file that was damaged in the middle', async () => {
    await open().append(randomStream(400, 2));
    await stores.pop()?.close();
    const bytes = await readFile(path);
    bytes.fill(0xa5, 4096 * 2, bytes.length - 4096);
    await writeFile(path, bytes);
    const store = open();
    await expect(store.readAfter(0, 10_000)).rejects.toThrow(/SQLite/);
    await expect(store.append(randomStream(50, 3))).rejects.toThrow(/SQLite/);
  });

  it('reads and prunes around damaged rows', async () => {
    const store = open();
    await store.append([decided('a'), completed('a'), decided('b'), completed('b'), decided('c')]);
    const database = new DatabaseSync(path);
    for (const [sequence, body] of [
      [2, '{"type":"completed"'],
      [3, '{"type":"decided"}'],
    ])
      database.prepare('UPDATE events SET body = ? WHERE sequence = ?').run(body, sequence);
    database.close();
    const types = (await store.readAfter(0, 10)).map(({ type }) => type);
    expect(types).toEqual(['decided', 'unreadable', 'unreadable', 'completed', 'decided']);
    expect((await store.findDecision('b')).map(({ type }) => type)).toEqual(['unreadable', 'completed']);
    expect(await store.prune({ time: Date.now() * 2, sequence: 4 }, 10)).toBe(4);
    expect((await store.readAfter(0, 10)).map(({ sequence }) => sequence)).toEqual([5]);
  });

  it.skipIf(!existsSync('/proc/self/fd'))('leaves no unusable file open (needs /proc)', async () => {
    await writeFile(path, 'no database '.repeat(500));
    const openFiles = () => readdirSync('/proc/self/fd').filter((fd) => linkOf(fd).startsWith(folder)).length;
    const store = open();
    for (let i = 0; i < 20; i++) await expect(store.append([decided('d')])).rejects.toThrow();
    expect(() => new SqliteEventReader(path)).toThrow();
    expect(openFiles()).toBe(0);
  });

  it("waits for another process's lock when it opens the file", async () => {
    await open().append([decided('d')]);
    await stores.pop()?.close();
    const other = new DatabaseSync(path);
    other.exec('BEGIN EXCLUSIVE');
    const appended = open().append([decided('e')]);
    setTimeout(() => other.exec('COMMIT'), 300);
    expect(await appended).toMatchObject([{ sequence: 2 }]);
    other.close();
  });

  it("leaves another application's database unchanged", async () => {
    for (const [version, sql] of [
      [0, 'CREATE TABLE users (name TEXT)'],
      [2, 'CREATE TABLE snapshots (name TEXT)'],
      [3, 'CREATE TABLE events (sequence INTEGER PRIMARY KEY, body TEXT); CREATE TABLE aliases (alias TEXT)'],
    ] as const) {
      await rm(path, { force: true });
      const other = new DatabaseSync(path);
      other.exec(`${sql}; PRAGMA user_version = ${version}`);
      const schema = () => other.prepare('SELECT sql FROM sqlite_master').all();
      const before = schema();
      await expect(open().append([decided('d')])).rejects.toThrow(UnusableStorageError);
      expect([schema(), other.prepare('PRAGMA user_version').get()]).toEqual([before, { user_version: version }]);
      other.close();
    }
  });

  it.skipIf(!mounted)('reads a log on a full disk, and writes once there is room (needs root and mount)', async () => {
    const log = join(disk, 'log.db');
    const before = new SqliteEventStore(log);
    await before.append([decided('d'), completed('d')]);
    await before.saveSnapshot('s', { sequence: 2, body: new Uint8Array(3) });
    await before.close();
    const filler = join(disk, 'filler');
    spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=1k'], { stdio: 'ignore' });
    const store = new SqliteEventStore(log);
    stores.push(store);
    expect((await store.readAfter(0, 10)).map(({ type }) => type)).toEqual(['decided', 'completed']);
    expect(await store.loadSnapshot('s')).toMatchObject({ sequence: 2 });
    await expect(store.append([decided('e')])).rejects.toThrow(/SQLite/);
    await rm(filler);
    expect(await store.append([decided('e')])).toMatchObject([{ sequence: 3 }]);
    expect(await store.lastSequence()).toBe(3);
  });

  it('leaves no bytes of what it pruned', async () => {
    const store = open();
    const secret = (i: number) => `secret-${i}-`;
    const decision = (i: number) => [
      { ...decided(`d${i}`), time: 1, requestId: secret(i) },
      { ...completed(`d${i}`, { completionId: secret(i) }), time: 1 },
      {
        ...rated(`d${i}`, `fb${i}`, 1),
        time: 1,
        comment: secret(i).repeat(1 + (i % 3) * 300),
        idempotencyKey: secret(i),
      },
    ];
    for (let i = 0; i < 200; i += 20) {
      await store.append(Array.from({ length: 20 }, (_, j) => decision(i + j)).flat());
    }
    await store.append([{ ...decided('young'), time: 500 }]);
    const secrets = async () => {
      const bytes = await Promise.all([path, `${path}-wal`].map((name) => readFile(name, 'latin1')));
      return new Set(bytes.join().match(/secret-\d+-/g)).size;
    };
    expect(await secrets()).toBe(200);
    while ((await store.prune({ time: 200, sequence: 1000 }, 40)) > 0);
    expect(await secrets()).toBe(0);
    expect(await store.lastSequence()).toBe(601);
  });

  it('leaves no bytes of a comment whose rating was withdrawn', async () => {
    const store = open();
    await store.append([decided('d'), { ...rated('d', 'fb', 1), comment: 'secret' }]);
    const written = async () =>
      (await Promise.all([path, `${path}-wal`].map((name) => readFile(name, 'latin1')))).join();
    expect(await written()).toContain('secret');
    await store.append([withdrawn('d', 'fb')]);
    expect(await written()).not.toContain('secret');
  });

  it('empties the write-ahead log after a withdrawal as soon as no other process reads', async () => {
    const store = open();
    await store.append([decided('d'), { ...rated('d', 'fb', 1), comment: 'secret' }]);
    const reader = new DatabaseSync(path, { readOnly: true });
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM events').get();
    await store.append([withdrawn('d', 'fb')]);
    await store.append([decided('next')]);
    expect(await readFile(`${path}-wal`, 'latin1')).toContain('secret');
    reader.close();
    await store.append([decided('after')]);
    expect(await readFile(`${path}-wal`, 'latin1')).not.toContain('secret');
  });

  it('reports a withdrawal that is committed, even if the write-ahead log cannot be emptied', () => {
    const prepare = DatabaseSync.prototype.prepare;
    vi.spyOn(DatabaseSync.prototype, 'prepare').mockImplementation(function (this: DatabaseSync, sql) {
      if (sql.includes('wal_checkpoint')) throw new Error('database or disk is full');
      return prepare.call(this, sql);
    });
    const database = new SqliteDatabase(path);
    database.append([decided('d'), { ...rated('d', 'fb', 1), comment: 'secret' }].map(toRow));
    expect(database.append([toRow(withdrawn('d', 'fb'))])).toEqual([3]);
    expect(database.append([toRow(decided('next'))])).toEqual([4]);
    vi.restoreAllMocks();
    database.append([]);
    expect(statSync(`${path}-wal`).size).toBe(0);
    database.close();
  });

  it('deletes no decision whose request may be under way', () => {
    const database = new SqliteDatabase(path);
    const now = 1_700_000_000_000;
    const day = 86_400_000;
    database.append(
      [
        { ...decided('under-way'), time: now - day + 1 },
        { ...decided('killed'), time: now - day },
        { ...decided('ended'), time: now },
        { ...completed('ended'), time: now },
        decided('newest'),
      ].map(toRow),
    );
    database.saveSnapshot('learner', { sequence: 5, body: new Uint8Array(1) });
    expect(database.deleteDecisions(['under-way', 'killed', 'ended'], now)).toEqual(['needed', 'deleted', 'deleted']);
    expect(database.deleteDecisions(['under-way'], now + 1)).toEqual(['deleted']);
    database.close();
  });

  it('prunes while another process reads, and empties the write-ahead log afterwards', async () => {
    const store = open();
    await store.append([
      { ...decided('old'), time: 1 },
      { ...decided('young'), time: 500 },
    ]);
    const reader = new DatabaseSync(path, { readOnly: true });
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM events').get();
    const before = { time: 200, sequence: 1000 };
    expect(await store.prune(before, 10)).toBe(1);
    expect(await store.prune(before, 10)).toBe(0);
    reader.close();
    expect(await store.prune(before, 10)).toBe(0);
    expect((await stat(`${path}-wal`)).size).toBe(0);
    expect(await store.append([decided('next')])).toMatchObject([{ sequence: 3 }]);
  });

  it('prunes old decisions behind those written while a clock was ahead', async () => {
    const store = open();
    const at = (id: string, time: number) => ({ ...decided(id), time });
    await store.append([
      ...Array.from({ length: 1500 }, (_, i) => at(`ahead-${i}`, 9000)),
      at('old', 100),
      at('young', 500),
      at('last', 500),
    ]);
    expect(await store.prune({ time: 200, sequence: 2000, now: 600 }, 10)).toBe(1);
    expect(await store.findDecision('old')).toEqual([]);
    // Without knowing the time, it considers them young, and also everything behind them.
    expect(await store.prune({ time: 600, sequence: 2000 }, 10)).toBe(0);
  });

  it('works again without a restart once the file can be opened', async () => {
    await writeFile(path, 'no database '.repeat(500));
    const store = open();
    await expect(store.append([decided('d')])).rejects.toThrow();
    await rm(path);
    await expect(store.append([decided('d')])).resolves.toHaveLength(1);
    expect(await store.lastSequence()).toBe(1);
  });

  it('reports once that its file was removed or replaced, then opens what is there', async () => {
    const store = open();
    await store.append([decided('d'), completed('d')]);
    const removed = () => Promise.all(['', '-wal', '-shm'].map((end) => rm(`${path}${end}`, { force: true })));
    await removed();
    await expect(store.append([decided('lost')])).rejects.toThrow('removed or replaced');
    await expect(store.append([decided('e')])).resolves.toMatchObject([{ sequence: 1 }]);
    expect(await open().readAfter(0, 10)).toMatchObject([{ decisionId: 'e' }]);

    await removed();
    await writeFile(path, 'no database '.repeat(500));
    for (let i = 0; i < 2; i++) await expect(store.append([decided('f')])).rejects.toThrow(/replaced|not a database/);
    await removed();
    await expect(store.append([decided('f')])).resolves.toMatchObject([{ sequence: 1 }]);
  });

  it('reports that its write-ahead log was removed, and loses nothing that was in it', async () => {
    const [store, other] = [open(), open()];
    await store.append([decided('d'), completed('d')]);
    // While another connection is open, SQLite itself leaves the log in place.
    expect(await other.lastSequence()).toBe(2);
    await Promise.all(['-wal', '-shm'].map((end) => rm(`${path}${end}`)));
    await expect(store.append([decided('e')])).rejects.toThrow('removed or replaced');
    await expect(store.append([decided('e')])).resolves.toMatchObject([{ sequence: 3 }]);
    // As after a crash: nothing was closed.
    expect(await open().readAfter(0, 10)).toMatchObject([
      { decisionId: 'd' },
      { decisionId: 'd' },
      { decisionId: 'e' },
    ]);
  });

  it('rejects if the folder cannot be created', async () => {
    await writeFile(join(folder, 'a-file'), '');
    path = join(folder, 'a-file', 'log.db');
    await expect(open().append([decided('d')])).rejects.toThrow(path);
  });

  it.skipIf(!existsSync('/proc/self'))(
    'rejects in /proc too, where creating a folder fails with "no such file"',
    async () => {
      path = '/proc/nope/deep/log.db';
      await expect(open().append([decided('d')])).rejects.toThrow("mkdir '/proc/nope'");
    },
  );
});
