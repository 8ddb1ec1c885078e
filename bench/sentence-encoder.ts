import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { SentenceEncoder } from '../src/features/transformers/sentence-encoder.ts';
import { HUB_CACHE } from '../src/features/transformers/transformers-embedder.ts';
import { systemClock } from '../src/util/clock.ts';
import { quantile } from './support/quantile.ts';

const TEXTS = 40;
const AT_ONCE = 16;

/** Times a sentence-embedding model as the gateway runs it: one thread, 8-bit weights, at most 128 tokens. */
export async function timeSentenceEncoder(
  model: string,
  invent: (characters: number, seed: number) => string,
): Promise<void> {
  const before = performance.now();
  const encoder = new SentenceEncoder({
    model,
    dtype: 'q8',
    maxTokens: 128,
    cacheFolder: HUB_CACHE,
    budgetMs: null,
    clock: systemClock,
  });
  try {
    const { width } = await encoder.start();
    const memory = Math.round(process.memoryUsage.rss() / 2 ** 20);
    console.log(
      `${model}: loaded in ${(performance.now() - before).toFixed(0)} ms, ${width} dimensions, process ${memory} MB`,
    );
    console.log(`event loop delay ${(await idleDelay()).toFixed(1)} ms at the 99th percentile when idle`);
    for (const characters of [80, 800, 4000]) await timeTexts(encoder, characters, invent);
  } finally {
    await encoder.close();
  }
}

async function idleDelay(): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  delay.disable();
  return delay.percentile(99) / 1e6;
}

async function timeTexts(
  encoder: SentenceEncoder,
  characters: number,
  invent: (characters: number, seed: number) => string,
): Promise<void> {
  const texts = Array.from({ length: TEXTS }, (_, seed) => invent(characters, seed));
  for (const text of texts.slice(0, 5)) await encoder.encode(text);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const times: number[] = [];
  for (const text of texts) {
    const start = performance.now();
    await encoder.encode(text);
    times.push(performance.now() - start);
  }
  const start = performance.now();
  for (let at = 0; at < TEXTS; at += AT_ONCE) {
    await Promise.all(texts.slice(at, at + AT_ONCE).map((text) => encoder.encode(text)));
  }
  const perSecond = (1000 * TEXTS) / (performance.now() - start);
  delay.disable();
  const at = (share: number) => quantile(times, share).toFixed(1);
  console.log(
    `${characters} characters: median ${at(0.5)} ms, 95th percentile ${at(0.95)} ms, ${perSecond.toFixed(0)} per second ${AT_ONCE} at a time; event loop delay ${(delay.percentile(99) / 1e6).toFixed(1)} ms at the 99th percentile`,
  );
}
