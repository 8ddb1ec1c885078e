/** Measures how ratings sent during the load affect the latency of requests. */
import { setTimeout as sleep } from 'node:timers/promises';
import { headersOf, median, type Subjects, urlOf } from './subjects.ts';
import { load } from './throughput.ts';

const RATINGS_PER_SECOND = 200;
const CONNECTIONS = 16;
const recent: string[] = [];

function remember(headers: Record<string, string>): void {
  const id = headers['x-mixllm-decision-id'];
  if (id && recent.push(id) > 1000) recent.shift();
}

/** Posts ratings until `isOver`; resolves with the numbers of accepted and refused ones. */
async function rate(isOver: () => boolean): Promise<{ taken: number; refused: number }> {
  const result = { taken: 0, refused: 0 };
  const waiting = new Set<Promise<void>>();
  const startedAt = performance.now();
  for (let sent = 0; !isOver(); sent++) {
    await sleep(Math.max(0, startedAt + (sent * 1000) / RATINGS_PER_SECOND - performance.now()));
    const id = recent[Math.floor(Math.random() * recent.length)];
    if (!id) continue;
    const body = JSON.stringify({ id, score: Math.random(), source: `rater-${sent % 50}` });
    const posted = fetch(urlOf('ours', '/feedback'), { method: 'POST', headers: headersOf('ours'), body })
      .then(async (answer) => {
        await answer.arrayBuffer();
        if (answer.status === 202) result.taken++;
        else result.refused++;
      })
      .catch(() => void result.refused++)
      .finally(() => waiting.delete(posted));
    waiting.add(posted);
  }
  await Promise.all(waiting);
  return result;
}

/**
 * Sends requests at a fixed rate, half of the maximum, because only then is the latency that of the gateway rather than
 * that of a queue.
 */
export async function ratings(
  subjects: Subjects,
  { rounds, seconds }: { rounds: number; seconds: number },
): Promise<void> {
  const most = await load(subjects, 'ours', { connections: CONNECTIONS, seconds, onAnswer: remember });
  const requestRate = Math.max(CONNECTIONS, Math.round(most.requestsPerSecond / 2));
  const without: number[] = [];
  const beside: number[] = [];
  let taken = 0;
  let refused = 0;
  for (let round = 0; round < rounds; round++) {
    const plan = { connections: CONNECTIONS, seconds, rate: requestRate, onAnswer: remember };
    without.push((await load(subjects, 'ours', plan)).p99);
    let over = false;
    const rated = rate(() => over);
    beside.push((await load(subjects, 'ours', plan)).p99);
    over = true;
    const counts = await rated;
    taken += counts.taken;
    refused += counts.refused;
  }
  const change = median(beside.map((p99, i) => p99 / without[i]));
  console.log(
    `\n${RATINGS_PER_SECOND} ratings/s alongside ${requestRate} requests/s, medians of ${rounds} interleaved rounds of ${seconds} s`,
  );
  console.log(
    `  request p99 ${median(without)} ms without, ${median(beside)} ms with ratings: × ${change.toFixed(2)}  (${taken} ratings accepted, ${refused} refused)`,
  );
}
