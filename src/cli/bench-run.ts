import { drive } from '../demo/drive.ts';
import { startSimulatedUpstream } from '../demo/upstream.ts';
import { bestSingle } from '../recorded/baselines.ts';
import { QueryIndex } from '../recorded/query-index.ts';
import type { RecordedData, RecordedQuery } from '../recorded/recorded-outcomes.ts';
import {
  type RecordedPrice,
  recordedOutcomes,
  recordedOutputTokens,
  recordedPrices,
  shuffledQueries,
} from '../recorded/recorded-prices.ts';
import { type RunReport, reportRun } from '../recorded/run-report.ts';
import { sharesByTag, type TagShares } from '../recorded/tag-shares.ts';
import { systemClock } from '../util/clock.ts';
import { seededRandom } from '../util/random.ts';
import { startRecordedGateway, tagCounts } from './loopback-gateway.ts';
import { ProgressLine } from './progress-line.ts';

export interface BenchRunOptions {
  data: string;
  limit?: number;
  weight: number;
  seed: number;
}

export interface BenchReport extends RunReport, TagShares {
  data: string;
  weight: number;
  seed: number;
  seconds: number;
  requests_lost: number;
  left_out: RecordedData['leftOut'];
}

/** The queries of a run, in the order in which they are sent. */
export function queriesOf(
  { seed, limit }: Pick<BenchRunOptions, 'seed' | 'limit'>,
  data: RecordedData,
): RecordedQuery[] {
  return shuffledQueries(data, seededRandom(seed), limit);
}

/**
 * Sends recorded queries through the real gateway. Every model's upstream returns the answer that the model was
 * recorded with, at its recorded cost, and every answer is rated with its recorded quality. One query at a time, so
 * that equal seeds give equal results.
 */
export async function runBench(options: BenchRunOptions, data: RecordedData): Promise<BenchReport> {
  const startedAt = systemClock.monotonic();
  const queries = queriesOf(options, data);
  const prices = recordedPrices(data, options.seed);
  // The reference that an operator would choose: the model that all queries would go to without a gateway.
  const reference = data.models[bestSingle(recordedOutcomes(queries)).model];
  const upstream = await startRecordedUpstream(data, queries, prices);
  const { gateway, url } = await startRecordedGateway(upstream, prices, reference, options.seed);
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
        progress.update(`weight ${options.weight}: ${++answered}/${queries.length} queries answered`);
        await gateway.eventLog.flush();
        await gateway.learner.idle();
      },
    });
    progress.done(`weight ${options.weight}: ${answered}/${queries.length} queries answered`);
    return {
      data: options.data,
      weight: options.weight,
      seed: options.seed,
      seconds: (systemClock.monotonic() - startedAt) / 1000,
      requests_lost: queries.length - answered,
      left_out: data.leftOut,
      ...reportRun(data.models, recordedOutcomes(queries), arms.map(columnOf)),
      ...sharesByTag(data.models, await tagCounts(gateway)),
    };
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
  const book = new QueryIndex<RecordedQuery>();
  for (const query of queries) book.add(query.text, query);
  return startSimulatedUpstream({
    format: 'openai',
    answer({ lastUserText, model }) {
      const query = book.find(lastUserText);
      const column = data.models.indexOf(model);
      if (!query || column < 0) throw new Error('The query or the model is not among the recorded ones.');
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
