/** Requests per second, latency, CPU and memory for several numbers of connections. */
import { prompts } from '../support/prompts.ts';
import { headersOf, median, modelOf, type Subject, type Subjects, urlOf } from './subjects.ts';

export interface Sample {
  requestsPerSecond: number;
  p50: number;
  p99: number;
  errors: number;
  /** CPU seconds of the subject's process per 1,000 requests. */
  cpuPer1000: number;
  rssMb: number;
}

const queries = prompts(500);

/**
 * @param rate requests per second in total; absent: as many as possible
 * @param onAnswer called with the headers of every answer
 */
export async function load(
  subjects: Subjects,
  subject: Subject,
  {
    connections,
    seconds,
    rate,
    onAnswer,
  }: { connections: number; seconds: number; rate?: number; onAnswer?: (headers: Record<string, string>) => void },
): Promise<Sample> {
  const { default: autocannon } = await import('autocannon');
  const before = subjects.usageOf(subject);
  const result = await autocannon({
    url: urlOf(subject),
    connections,
    duration: seconds,
    ...(rate && { overallRate: rate }),
    requests: queries.map((content) => ({
      method: 'POST' as const,
      path: '/v1/chat/completions',
      headers: headersOf(subject),
      body: JSON.stringify({ model: modelOf(subject), messages: [{ role: 'user', content }] }),
      ...(onAnswer && {
        onResponse: (_status: number, _body: string, _context: object, headers: unknown) =>
          onAnswer(headers as Record<string, string>),
      }),
    })),
  });
  const after = subjects.usageOf(subject);
  return {
    requestsPerSecond: result.requests.average,
    p50: result.latency.p50,
    p99: result.latency.p99,
    errors: result.errors + result.non2xx,
    cpuPer1000: ((after.cpuS - before.cpuS) / result.requests.total) * 1000,
    rssMb: after.rssMb,
  };
}

export async function throughput(
  subjects: Subjects,
  { names, connections, rounds, seconds }: { names: Subject[]; connections: number[]; rounds: number; seconds: number },
): Promise<void> {
  for (const name of names) await load(subjects, name, { connections: 16, seconds: Math.min(3, seconds) });
  for (const clients of connections) {
    const samples = new Map<Subject, Sample[]>(names.map((name) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const name of names) samples.get(name)?.push(await load(subjects, name, { connections: clients, seconds }));
    }
    console.log(`\n${clients} connections, medians of ${rounds} interleaved rounds of ${seconds} s`);
    for (const name of names) console.log(`  ${line(name, samples)}`);
  }
}

function line(name: Subject, samples: ReadonlyMap<Subject, Sample[]>): string {
  const all = (subject: Subject, key: keyof Sample) => (samples.get(subject) ?? []).map((sample) => sample[key]);
  const of = (key: keyof Sample) => median(all(name, key));
  const rates = all(name, 'requestsPerSecond');
  // Compared within each round, so that a slow moment of the machine affects both.
  const ratio = (to: Subject) =>
    samples.has(to) && to !== name
      ? `  ${median(all(to, 'requestsPerSecond').map((rate, i) => rates[i] / rate)).toFixed(2)} × ${to}`
      : '';
  const spread = `${Math.min(...rates).toFixed(0)}–${Math.max(...rates).toFixed(0)}`;
  return `${name.padEnd(8)} ${of('requestsPerSecond').toFixed(0).padStart(6)} requests/s (${spread})  p50 ${of('p50')} ms  p99 ${of('p99')} ms  CPU ${of('cpuPer1000').toFixed(2)} s per 1,000  ${of('rssMb').toFixed(0)} MB  errors ${of('errors')}${ratio('portkey')}${ratio('bare')}`;
}
