import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { makeFolder } from '../../src/util/make-folder.ts';
import { writeWhole, writingWhole } from '../../src/util/write-whole.ts';

const folder = mkdtempSync(join(tmpdir(), 'mixllm-whole-'));
const [map, description] = [join(folder, 'map.bin'), join(folder, 'map.json')];
beforeEach(() => {
  rmSync(folder, { recursive: true });
  mkdirSync(folder);
});
afterAll(() => rmSync(folder, { recursive: true }));

it('keeps both of two files unchanged if the second cannot be written', async () => {
  writeFileSync(map, 'good map');
  writeFileSync(description, 'good description');
  // Blocks writing the second file, as a full disk would.
  mkdirSync(`${description}.${process.pid}.tmp`);
  const writing = writeWhole([
    [map, 'new map'],
    [description, 'new description'],
  ]);
  await expect(writing).rejects.toThrow();
  expect(readFileSync(map, 'utf8')).toBe('good map');
  expect(readFileSync(description, 'utf8')).toBe('good description');
});

it('reports a folder in place of a file before anything is written', async () => {
  mkdirSync(description);
  const writing = writeWhole([
    [map, 'new map'],
    [description, 'new description'],
  ]);
  await expect(writing).rejects.toThrow(`${description} is a folder; name a file in it.`);
  expect(readdirSync(folder)).toEqual(['map.json']);
});

it('writes through a link and into a device, and leaves nothing else', async () => {
  writeFileSync(map, 'old');
  symlinkSync(map, description);
  await writeWhole([
    [description, 'new'],
    ['/dev/null', 'nothing'],
  ]);
  expect(readFileSync(map, 'utf8')).toBe('new');
  expect(lstatSync(description).isSymbolicLink()).toBe(true);
  expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true);
  expect(readdirSync(folder).sort()).toEqual(['map.bin', 'map.json']);
});

it('creates the folders of a file, and says which one cannot be created', async () => {
  const deep = join(folder, 'a', 'b', 'map.bin');
  await writingWhole(deep, async (unfinished) => writeFileSync(unfinished, 'map'));
  expect(readFileSync(deep, 'utf8')).toBe('map');
  expect(() => makeFolder(join(deep, 'c'))).toThrow(deep);
});

it.skipIf(!existsSync('/proc/self'))(
  'fails in /proc too, where creating a folder fails with "no such file"',
  async () => {
    await expect(writingWhole('/proc/nope/deep/map.bin', async () => {})).rejects.toThrow("mkdir '/proc/nope'");
  },
);
