import { bestSingle } from '../demo/baselines.ts';
import { drive } from '../demo/drive.ts';
import { ProgressLine } from '../demo/progress-line.ts';
import { QueryBook } from '../demo/query-book.ts';
import { loadRecordedOutcomes, type RecordedData, type RecordedQuery } from '../demo/recorded.ts';
import {
  type RecordedPrice,
  recordedOutcomes,
  recordedOutputTokens,
  recordedPrices,
  shuffledQueries,
} from '../demo/recorded-prices.ts';
import { reportRun } from '../demo/standing.ts';
import { renderTable } from '../demo/table.ts';
import { startSimulatedUpstream } from '../demo/upstream.ts';
import { systemClock } from '../util/clock.ts';
import { seededRandom } from '../util/random.ts';
import { startLoopbackGateway } from './loopback-gateway.ts';
import { percent, renderRun } from './run-table.ts';

export interface BenchOptions {
  data: string;
  limit?: number;
  weight: number;
  seed: number;
  json?: boolean;
}

/** Output tokens of an answer of usual length: what the length model expects of a model that it knows nothing of. */
const TOKENS_PER_ANSWER = 300;

/**
 * Recorded outcomes through the real gateway: every model's upstream answers what that model really scored, at its
 * recorded cost, and every answer is rated with its recorded quality. One query at a time, so that equal seeds give
 * equal results.
 */
export async function bench(options: BenchOptions): Promise<void> {
  const startedAt = systemClock.monotonic();
  const data = await loadRecordedOutcomes(options.data);
  const queries = shuffledQueries(data, seededRandom(options.seed), options.limit);
  const prices = recordedPrices(data, options.seed, TOKENS_PER_ANSWER);
  // As an operator would: the model that all queries would go to if there were no gateway.
  const reference = data.models[bestSingle(recordedOutcomes(queries)).model];
  const upstream = await startRecordedUpstream(data, queries, prices);
  const { gateway, url } = await startLoopbackGateway(
    prices.map(({ model, input, output }) => ({
      id: model,
      format: 'openai' as const,
      url: upstream.url,
      upstreamModel: model,
      price: { input, output },
    })),
    reference,
    options.seed,
  );
  const progress = new ProgressLine(process.stderr, systemClock);
  try {
    const columnOf = (arm: string) => data.models.indexOf(arm);
    let answered = 0;
    const arms = await drive({
      url,
      queries: queries.map(({ text }) => ({ messages: [{ role: 'user', content: text }], stream: false })),
      model: `auto:${options.weight}`,
      concurrency: 1,
      rate: (query, arm) => ({ score: queries[query].quality[columnOf(arm)] }),
      async onAnswer() {
        progress.update(`${++answered}/${queries.length} queries answered`);
        await gateway.eventLog.flush();
        await gateway.learner.idle();
      },
    });
    progress.done(`${answered}/${queries.length} queries answered`);
    const report = {
      data: options.data,
      weight: options.weight,
      seed: options.seed,
      seconds: (systemClock.monotonic() - startedAt) / 1000,
      requests_lost: queries.length - answered,
      left_out: data.leftOut,
      ...reportRun(data.models, recordedOutcomes(queries), arms.map(columnOf)),
    };
    console.log(options.json ? JSON.stringify(report) : renderBench(report));
  } finally {
    await gateway.close();
    await upstream.close();
  }
}

function startRecordedUpstream(
  data: RecordedData,
  queries: readonly RecordedQuery[],
  prices: readonly RecordedPrice[],
) {
  const book = new QueryBook<RecordedQuery>();
  for (const query of queries) book.add(query.text, query);
  return startSimulatedUpstream({
    format: 'openai',
    answer({ lastUserText, model }) {
      const query = book.find(lastUserText);
      const column = data.models.indexOf(model);
      if (!query || column < 0) throw new Error('The query or the model is not one of the recorded ones.');
      return {
        model,
        text: `Recorded answer of ${model}, scored ${query.quality[column]}.`,
        inputTokens: Math.ceil(query.text.length / 4),
        outputTokens: recordedOutputTokens(prices[column], query.cost[column]),
        delayMs: 0,
      };
    },
  });
}

function renderBench(report: ReturnType<typeof reportRun> & { data: string; weight: number; seconds: number }): string {
  return [
    '',
    `${report.queries} recorded queries of ${report.data} at weight ${report.weight}, ${report.seconds.toFixed(0)} s.`,
    '',
    renderRun(report),
    renderTable(
      ['model', 'share'],
      Object.entries(report.shares).map(([model, share]) => [model, percent(share)]),
    ),
  ].join('\n');
}
