import { drive } from '../demo/drive.ts';
import { startSimulatedUpstream } from '../demo/upstream.ts';
import { PLAIN, runStream } from '../offline/online/run-stream.ts';
import { FIRST_SEED, PURPOSE, type Stream, streamOf, utility } from '../offline/online/stream.ts';
import { datasetName, type Spread, spread } from '../offline/online/summary.ts';
import { loadOnlineData } from '../offline/online-data.ts';
import { recordedOutputTokens } from '../recorded/recorded-prices.ts';
import { systemClock } from '../util/clock.ts';
import { derivedSeed } from '../util/random.ts';
import { mean } from '../util/statistics.ts';
import { startRecordedGateway } from './loopback-gateway.ts';
import { print, tell } from './print.ts';
import { ProgressLine } from './progress-line.ts';
import { tellLeftOutOf } from './recorded-notes.ts';
import { renderTable } from './table.ts';

export interface LabelledBenchOptions {
  data: string;
  /** Number of queries at the start that all models answer. */
  labelled: number;
  seeds: number;
  json?: boolean;
}

interface SeedResult {
  seed: number;
  /** Mean utility in percent, measured through HTTP and in this process. */
  http: number;
  in_process: number;
}

export interface LabelledBenchReport {
  name: string;
  labelled: number;
  seeds: number;
  u: { http: Figure; in_process: Figure; difference: Figure };
  runs: SeedResult[];
}

type Figure = Spread & { standard_error: number };

/** One request of a run. */
interface Request {
  /** Position of the query in the stream. */
  query: number;
  /** Position of the model that is requested by name; null: routed and scored. */
  named: number | null;
}

/**
 * `mixllm bench --labelled`: the protocol of `--online` with its first queries answered by all models, run through HTTP
 * and in this process on the same streams (order, prices, weight of each query). Through HTTP, a request by name to
 * every model, and its rating, teach the gateway what the run in this process learns from all outcomes at once.
 */
export async function benchLabelled(options: LabelledBenchOptions): Promise<void> {
  await tellLeftOutOf([options.data]);
  const data = await loadOnlineData(options.data);
  const runs: SeedResult[] = [];
  for (let seed = FIRST_SEED; seed < FIRST_SEED + options.seeds; seed++) {
    const stream = streamOf(data, seed);
    if (options.labelled >= stream.queries.length) {
      throw new Error(
        `--labelled: the stream has ${stream.queries.length} queries, and some must remain to be scored.`,
      );
    }
    const inProcess = mean(runStream(stream, { ...PLAIN, labelled: options.labelled }).utilities);
    const http = await runThroughGateway(stream, options.labelled);
    runs.push({ seed, http, in_process: inProcess });
    tell(`seed ${seed}: utility ${http.toFixed(2)} through HTTP, ${inProcess.toFixed(2)} in this process`);
  }
  const figure = (of: (run: SeedResult) => number): Figure => {
    const { mean, sd } = spread(runs.map(of));
    return { mean, sd, standard_error: sd / Math.sqrt(runs.length) };
  };
  const report: LabelledBenchReport = {
    name: datasetName(options.data),
    labelled: options.labelled,
    seeds: options.seeds,
    u: {
      http: figure(({ http }) => http),
      in_process: figure(({ in_process }) => in_process),
      difference: figure(({ http, in_process }) => http - in_process),
    },
    runs,
  };
  print(options.json ? JSON.stringify(report) : render(report));
}

/** @returns mean utility of the queries after the labelled ones */
async function runThroughGateway(stream: Stream, labelled: number): Promise<number> {
  const { models, queries, texts, prices, reference, seed } = stream;
  const requests = requestsOf(stream, labelled);
  // One request at a time, so that the upstream knows which query it gets even when two have the same text.
  let sent = 0;
  const upstream = await startSimulatedUpstream({
    format: 'openai',
    answer({ model }) {
      const { query } = requests[sent];
      const column = models.indexOf(model);
      return {
        model,
        text: `Recorded answer of ${model}, scored ${queries[query].quality[column]}.`,
        inputTokens: Math.ceil(texts[query].length / 4),
        outputTokens: recordedOutputTokens(prices[column], queries[query].cost[column]),
        delayMs: 0,
      };
    },
  });
  const { gateway, url } = await startRecordedGateway(
    upstream,
    prices,
    models[reference],
    derivedSeed(seed, PURPOSE.choices),
  );
  const progress = new ProgressLine(process.stderr, systemClock);
  const told = () => `seed ${seed}: ${sent}/${requests.length} requests answered`;
  try {
    const arms = await drive({
      url,
      queries: requests.map(({ query, named }) => ({
        messages: [{ role: 'user' as const, content: texts[query] }],
        stream: false,
        ...(named !== null && { model: models[named] }),
        headers: { 'x-mixllm-weight': String(1 / (1 + queries[query].nu)) },
      })),
      model: 'auto',
      concurrency: 1,
      rate: (request, arm) => ({ score: queries[requests[request].query].quality[models.indexOf(arm)] }),
      async onAnswer() {
        sent++;
        progress.update(told());
        await gateway.eventLog.flush();
        await gateway.learner.idle();
      },
    });
    progress.done(told());
    const scored = requests.flatMap(({ query, named }, i) =>
      named === null ? [utility(stream, queries[query], models.indexOf(arms[i]))] : [],
    );
    return mean(scored);
  } finally {
    await gateway.close();
    await upstream.close();
  }
}

function requestsOf({ models, queries }: Stream, labelled: number): Request[] {
  return queries.flatMap((_, query): Request[] =>
    query < labelled ? models.map((_, named) => ({ query, named })) : [{ query, named: null }],
  );
}

function render({ name, labelled, seeds, u, runs }: LabelledBenchReport): string {
  const shown = ({ mean, standard_error }: Figure) => `${mean.toFixed(2)} ± ${standard_error.toFixed(2)}`;
  return [
    '',
    `${name}: utility, 100 · mean(quality − ν · cost / best model's cost) / best model's quality, ν log-uniform in [0.02, 0.5];`,
    `the first ${labelled} queries answered and graded by all models, and not scored; mean ± standard error over ${seeds} random orders.`,
    '',
    renderTable(
      ['seed', 'through HTTP', 'in this process', 'difference'],
      [
        ...runs.map(({ seed, http, in_process }) => [
          String(seed),
          http.toFixed(2),
          in_process.toFixed(2),
          (http - in_process).toFixed(2),
        ]),
        ['all', shown(u.http), shown(u.in_process), shown(u.difference)],
      ],
    ),
  ].join('\n');
}
