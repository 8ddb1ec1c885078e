import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SqliteEventReader } from '../../src/store/sqlite/sqlite-event-reader.ts';
import { SqliteEventStore } from '../../src/store/sqlite/sqlite-event-store.ts';
import { completed, decided, randomStream } from '../gateway/unit/support.ts';

const READER = new URL('../../src/store/sqlite/sqlite-event-reader.ts', import.meta.url).href;

describe('SqliteEventReader', () => {
  let folder = '';
  let path = '';
  let store: SqliteEventStore;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mixllm-reader-'));
    path = join(folder, 'log.db');
    store = new SqliteEventStore(path);
  });
  afterEach(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });

  it('reads the same as the store, page by page, while the store keeps writing', async () => {
    await store.append(randomStream(30, 1));
    const reader = new SqliteEventReader(path);
    expect(await reader.readAfter(0, 10_000)).toEqual(await store.readAfter(0, 10_000));
    expect(await reader.readAfter(5, 7)).toEqual(await store.readAfter(5, 7));
    await store.append([decided('new'), completed('new')]);
    expect(await reader.lastSequence()).toBe(await store.lastSequence());
    expect((await reader.readAfter(0, 10_000)).at(-1)).toMatchObject({ type: 'completed', decisionId: 'new' });
    await reader.close();
    await store.append([decided('after')]);
  });

  it('never blocks writing, even in the middle of reading', async () => {
    await store.append([decided('a')]);
    // Stricter than the reader itself, which releases the file between two pages.
    const reading = new DatabaseSync(path, { readOnly: true });
    reading.exec('BEGIN; SELECT count(*) FROM events');
    await expect(store.append(randomStream(50, 2))).resolves.toBeDefined();
    reading.close();
  });

  it('leaves a closed log unchanged', async () => {
    await store.append(randomStream(20, 3));
    const events = await store.readAfter(0, 1000);
    await store.close();
    const before = await readFile(path);
    const reader = new SqliteEventReader(path);
    expect(await reader.readAfter(0, 1000)).toEqual(events);
    await reader.close();
    expect(await readFile(path)).toEqual(before);
  });

  it('reads a closed log in a read-only folder', async () => {
    await store.append([decided('d')]);
    await store.close();
    await chmod(path, 0o444);
    await chmod(folder, 0o555);
    // As nobody, because root may write anywhere; in a process of its own, because a thread cannot change its user.
    const reading = `
      const { SqliteEventReader } = await import(${JSON.stringify(READER)});
      if (process.getuid?.() === 0) process.seteuid(65534);
      console.log(await new SqliteEventReader(${JSON.stringify(path)}).lastSequence());`;
    const read = execFileSync(process.execPath, ['--input-type=module', '--eval', reading], { encoding: 'utf8' });
    await chmod(folder, 0o755);
    expect(read.trim()).toBe('1');
  });

  it('names a missing file without creating it, and rejects other files and versions', async () => {
    const missing = join(folder, 'missing.db');
    expect(() => new SqliteEventReader(missing)).toThrow(`Cannot read the event log ${missing}`);
    expect(await readdir(folder)).not.toContain('missing.db');
    await writeFile(missing, 'a shopping list '.repeat(500));
    expect(() => new SqliteEventReader(missing)).toThrow(`Cannot read the event log ${missing}`);
    await store.append([decided('d')]);
    await store.close();
    const database = new DatabaseSync(path);
    database.exec('PRAGMA user_version = 99');
    database.close();
    expect(() => new SqliteEventReader(path)).toThrow(/schema 99, not 3/);
  });
});
