/** Times the lexical embedder, and a sentence-embedding model if one is named: `node bench/embed.ts [MODEL]`. */
import { performance } from 'node:perf_hooks';
import { LexicalEmbedder } from '../src/features/lexical-embedder.ts';
import { loadLexicalMap } from '../src/features/lexical-map.ts';
import { seededRandom } from '../src/util/random.ts';
import { timeSentenceEncoder } from './sentence-encoder.ts';
import { quantile } from './support/quantile.ts';

const WORDS =
  'the of question which answer a function to write find number water energy list following and is in how many cell price was king python 12 3.5 (x + y)'.split(
    ' ',
  );
const ROUNDS = 5000;

function invent(characters: number, seed: number): string {
  const random = seededRandom(seed);
  let text = '';
  while (text.length < characters) {
    const word = WORDS[Math.floor(random.uniform() * WORDS.length)];
    const letters = String.fromCharCode(...Array.from({ length: 4 }, () => 97 + Math.floor(random.uniform() * 26)));
    text += `${random.uniform() < 0.5 ? word : letters} `;
  }
  return text.slice(0, characters);
}

const before = performance.now();
const embedder = new LexicalEmbedder(loadLexicalMap());
console.log(`loaded in ${(performance.now() - before).toFixed(1)} ms`);

for (const characters of [80, 800, 4000]) {
  const texts = Array.from({ length: 50 }, (_, seed) => invent(characters, seed));
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    embedder.embedNow(texts[round % texts.length]);
    times.push((performance.now() - start) * 1000);
  }
  const at = (share: number) => quantile(times.slice(ROUNDS / 2), share).toFixed(0);
  console.log(`${characters} characters: median ${at(0.5)} µs, 99th percentile ${at(0.99)} µs`);
}

const [model] = process.argv.slice(2);
if (model) await timeSentenceEncoder(model, invent);
