import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LexicalEmbedder } from '../../src/features/lexical-embedder.ts';
import { DEFAULT_MAP, decodeMap, descriptionFile, encodeMap, loadLexicalMap } from '../../src/features/lexical-map.ts';
import { embedderContract } from './embedder-contract.ts';

embedderContract(
  'LexicalEmbedder',
  () => new LexicalEmbedder(),
  () => new LexicalEmbedder(),
);

describe('LexicalEmbedder', () => {
  it('is named after its map', () => {
    const map = loadLexicalMap();
    expect(new LexicalEmbedder(map).id).toBe(`lexical-${map.hash.slice(0, 8)}`);
    expect(new LexicalEmbedder().id).toBe(new LexicalEmbedder(map).id);
  });

  it('embeds synchronously as it does asynchronously', async () => {
    const embedder = new LexicalEmbedder();
    expect(await embedder.embed('What is a prime?')).toEqual(embedder.embedNow('What is a prime?'));
  });
});

describe('the tags of the map that ships', () => {
  const embedder = new LexicalEmbedder();
  const tagOf = (text: string) => embedder.tagOf(embedder.embedNow(text));

  it.each([
    ['帮我写一首关于秋天的诗'],
    ['请把下面这段话翻译成英文：今天天气很好，我们去公园散步吧。'],
    ['おすすめの本を教えてください'],
    [
      '昨日は友達と一緒に京都へ行きました。天気がとても良くて、たくさんの観光客がいました。お寺を見学した後、おいしい抹茶のアイスクリームを食べました。夜はホテルに泊まり、次の日は大阪でたこ焼きを食べてから、新幹線で東京に帰りました。とても楽しい旅行でした。',
    ],
    ['서울에서 부산까지 얼마나 걸려요?'],
    ['اكتب قصيدة عن الخريف'],
    ['शरद ऋतु पर एक कविता लिखो'],
    ['Составь письмо начальнику с просьбой об отпуске'],
    ['เขียนบทกวีเกี่ยวกับฤดูใบไม้ร่วง'],
    // A few words that it knows do not tell what the rest is about.
    ['请用Python实现一个LRU缓存，并写单元测试。要求：\n1. 时间复杂度O(1)\n2. 线程安全\n3. 支持TTL'],
    ['Напиши SQL-запрос, который выводит топ-10 клиентов по сумме заказов'],
    ['🤔❓ 🎉🎉🎉 🥳'],
    ['x4JYx1pQz8vN0c2Rr7m3TqkW9bLhYg5dFsXoUeVnAi6Z'],
    ['2+2'],
    [' \n '],
    [''],
  ])('say that the text is unfamiliar: %j', (text) => {
    expect(tagOf(text)).toBe('unfamiliar text');
  });

  it.each([
    ['Why is the sky blue?'],
    ['Write a quicksort function in Python'],
    ['SELECT * FROM users WHERE id = 5'],
    ['Warum ist der Himmel blau?'],
    ['Compute $317^{3}+8^{3}-(2^{(3^{2})}+317^{3})$.'],
    ['下列选项中，说法正确的是\nA. 一\nB. 二\nC. 三\nD. 四\n答案：'],
  ])('name the kind of %j', (text) => {
    expect(tagOf(text)).not.toBe('unfamiliar text');
  });
});

describe('the map that ships with the project', () => {
  it('is at most a megabyte, and is encoded again unchanged', () => {
    const bytes = readFileSync(DEFAULT_MAP);
    expect(statSync(DEFAULT_MAP).size + statSync(descriptionFile(DEFAULT_MAP)).size).toBeLessThanOrEqual(1_000_000);
    expect(encodeMap(decodeMap(bytes)).equals(bytes)).toBe(true);
  });

  it('records its sources, and describes tags by short n-grams only', () => {
    const description = JSON.parse(readFileSync(descriptionFile(DEFAULT_MAP), 'utf8'));
    expect(description.corpus.map(({ source }: { source: unknown }) => source)).not.toContain(null);
    for (const { ngrams } of description.tags) {
      for (const ngram of ngrams) {
        expect(ngram.length).toBeLessThanOrEqual(24);
        expect(ngram.split(' ').length).toBeLessThanOrEqual(2);
      }
    }
  });
});

describe('loadLexicalMap', () => {
  let folder: string;
  let file: URL;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mixllm-map-'));
    file = pathToFileURL(join(folder, 'lexical-map.bin'));
    copyFileSync(DEFAULT_MAP, file);
    copyFileSync(descriptionFile(DEFAULT_MAP), descriptionFile(file));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const damage = (change: (bytes: Buffer) => Buffer) => writeFileSync(file, change(readFileSync(file)));

  it('reads a map from any folder', () => {
    expect(loadLexicalMap(file).hash).toBe(loadLexicalMap().hash);
  });

  it('names the file and what to do if it is missing', () => {
    rmSync(file);
    expect(() => loadLexicalMap(file)).toThrow(/lexical-map\.bin cannot be used: ENOENT.*embedding\.map/s);
    expect(() => loadLexicalMap(pathToFileURL('/no folder/#1.bin'))).toThrow('/no folder/#1.bin cannot be used');
    const renamed = pathToFileURL(join(folder, 'renamed.map'));
    copyFileSync(DEFAULT_MAP, renamed);
    expect(() => loadLexicalMap(renamed)).toThrow(/no such file.*renamed\.map\.json/);
  });

  it('rejects a map with a flipped bit', () => {
    damage((bytes) => {
      bytes[100_000] ^= 1;
      return bytes;
    });
    expect(() => loadLexicalMap(file)).toThrow(/SHA-256/);
  });

  it('rejects a map that was cut short', () => {
    damage((bytes) => bytes.subarray(0, -1));
    expect(() => loadLexicalMap(file)).toThrow(/bytes instead of/);
  });

  it('rejects other files, and maps of another version', () => {
    damage(() => Buffer.from('hello'));
    expect(() => loadLexicalMap(file)).toThrow(/not a feature map/);
    copyFileSync(DEFAULT_MAP, file);
    damage((bytes) => {
      bytes.writeUInt32LE(64, 12);
      return bytes;
    });
    expect(() => loadLexicalMap(file)).toThrow(/other features/);
  });

  it('rejects a description that does not match', () => {
    const description = JSON.parse(readFileSync(descriptionFile(file), 'utf8'));
    description.tags.pop();
    writeFileSync(descriptionFile(file), JSON.stringify(description));
    expect(() => loadLexicalMap(file)).toThrow(/tags/);
    writeFileSync(descriptionFile(file), '{');
    expect(() => loadLexicalMap(file)).toThrow(/JSON/);
  });
});
