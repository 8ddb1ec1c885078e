/** Time to a stream's first content, direct and through each subject, for several numbers of simultaneous streams. */
import { Agent, request } from 'node:http';
import { prompts } from '../support/prompts.ts';
import { headersOf, median, modelOf, type Subject, urlOf } from './subjects.ts';

/** Milliseconds between two of a stream's hundred chunks. For a single stream, the wait does not matter. */
const paceOf = (streams: number) => (streams === 1 ? 1 : 20);
const queries = prompts(256);
const agent = new Agent({ keepAlive: true, maxSockets: 1000 });

interface Stream {
  firstMs: number;
  totalMs: number;
  chunks: number;
}

function open(subject: Subject, content: string, paceMs: number): Promise<Stream> {
  const body = JSON.stringify({
    model: modelOf(subject),
    stream: true,
    // Read by this benchmark's upstream. Not in a separate field, because Portkey's gateway drops fields that it does
    // not know.
    user: `pace-${paceMs}-ms`,
    messages: [{ role: 'user', content }],
  });
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    let firstMs = Number.NaN;
    let text = '';
    const call = request(urlOf(subject), { method: 'POST', agent, headers: headersOf(subject) }, (answer) => {
      answer.setEncoding('utf8');
      answer.on('data', (part: string) => {
        text += part;
        if (Number.isNaN(firstMs) && text.includes('"content":"word')) firstMs = performance.now() - startedAt;
      });
      answer.once('end', () => {
        const chunks = text.split('"content":"word').length - 1;
        if (answer.statusCode !== 200 || chunks !== 100 || !text.includes('data: [DONE]')) {
          reject(new Error(`${subject}: status ${answer.statusCode}, ${chunks} of 100 chunks: ${text.slice(0, 200)}`));
        } else resolve({ firstMs, totalMs: performance.now() - startedAt, chunks });
      });
      answer.once('error', reject);
    });
    call.once('error', reject);
    call.end(body);
  });
}

/**
 * Hundreds of streams, because V8 still interprets most of the code after a few dozen, which would measure the start of
 * a process.
 */
async function warmUp(subject: Subject): Promise<void> {
  for (let i = 0; i < 12; i++) await Promise.all(queries.slice(0, 64).map((query) => open(subject, query, 0)));
}

async function round(subject: Subject, streams: number): Promise<{ firstMs: number; totalMs: number }> {
  const repeats = streams === 1 ? 20 : 1;
  const all: Stream[] = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    all.push(
      ...(await Promise.all(queries.slice(repeat, repeat + streams).map((q) => open(subject, q, paceOf(streams))))),
    );
  }
  return { firstMs: median(all.map((s) => s.firstMs)), totalMs: median(all.map((s) => s.totalMs)) };
}

export async function streams({
  names,
  levels,
  rounds,
}: {
  names: Subject[];
  levels: number[];
  rounds: number;
}): Promise<void> {
  const subjects: Subject[] = ['direct', ...names];
  for (const subject of subjects) await warmUp(subject);
  for (const level of levels) {
    const first = new Map<Subject, number[]>(subjects.map((subject) => [subject, []]));
    const total = new Map<Subject, number[]>(subjects.map((subject) => [subject, []]));
    for (let i = 0; i < rounds; i++) {
      for (const subject of subjects) {
        const { firstMs, totalMs } = await round(subject, level);
        first.get(subject)?.push(firstMs);
        total.get(subject)?.push(totalMs);
      }
    }
    console.log(
      `\n${level} streams at once, 100 chunks ${paceOf(level)} ms apart, medians of ${rounds} interleaved rounds`,
    );
    const direct = first.get('direct') as number[];
    for (const subject of subjects) {
      const times = first.get(subject) as number[];
      const added = median(times.map((time, i) => time - direct[i]));
      console.log(
        `  ${subject.padEnd(8)} first content after ${median(times).toFixed(2)} ms, ${added.toFixed(2)} more than direct; whole stream ${median(total.get(subject) as number[]).toFixed(0)} ms`,
      );
    }
  }
  agent.destroy();
}
