import { type DrivenQuery, drive } from '../demo/drive.ts';
import { KIND_IDS } from '../demo/kinds/kind-ids.ts';
import { outcomeAnswer, outcomeMatrix, type SimulatedOutcome, simulateOutcomes } from '../demo/outcomes.ts';
import { type DemoQuery, generateQueries } from '../demo/queries.ts';
import { SIMULATED_MODELS } from '../demo/simulated-models.ts';
import { type SimulatedUpstream, startSimulatedUpstream } from '../demo/upstream.ts';
import { bestSingle } from '../recorded/baselines.ts';
import { QueryIndex } from '../recorded/query-index.ts';
import { type RunReport, reportRun, sharesOf } from '../recorded/run-report.ts';
import { sharesByTag, type TagShares } from '../recorded/tag-shares.ts';
import { systemClock } from '../util/clock.ts';
import { normalizedText } from '../util/normalized-text.ts';
import { type Random, seededRandom } from '../util/random.ts';
import { renderDemo } from './demo-table.ts';
import { startLoopbackGateway, tagCounts } from './loopback-gateway.ts';
import { print } from './print.ts';
import { ProgressLine } from './progress-line.ts';

export interface DemoOptions {
  queries: number;
  weight: number;
  seed: number;
  json?: boolean;
}

export interface DemoReport extends RunReport, TagShares {
  simulated: true;
  weight: number;
  seed: number;
  seconds: number;
  ratings: number;
  requests_lost: number;
  /** By the kind that a query was generated as, which the gateway does not know. */
  shares_by_kind: Record<string, Record<string, number>>;
}

/** Number of concurrent requests, like those of a handful of users. */
const CONCURRENCY = 4;
/** Readers rate this share of the answers, with one to five stars. */
const RATED_SHARE = 0.7;
/** Standard deviation of a reader's judgement around the answer's true quality. */
const JUDGEMENT_SD = 0.15;
/** How often a reader clicks at random. */
const CARELESS_SHARE = 0.05;

/**
 * `mixllm demo`: sends queries to simulated models through the real gateway, which learns from ratings to route better.
 */
export async function demo(options: DemoOptions): Promise<void> {
  const random = seededRandom(options.seed);
  const queries = distinctQueries(random, options.queries);
  const outcomes = simulateOutcomes(SIMULATED_MODELS, queries, random);
  const upstreams = await startUpstreams(queries, outcomes);
  const { gateway, url } = await startLoopbackGateway(
    SIMULATED_MODELS.map((model, i) => ({ ...model, url: upstreams[i].url })),
    NAMES[bestSingle(outcomeMatrix(outcomes)).model],
    options.seed,
  );
  if (!options.json) print(introduction(url, queries.length));
  const startedAt = systemClock.monotonic();
  const progress = new ProgressLine(process.stderr, systemClock);
  const tally = { answered: 0, ratings: 0, cost: 0, dearest: 0 };
  try {
    const arms = await drive({
      url,
      queries: queries.map(toDriven),
      model: `auto:${options.weight}`,
      concurrency: CONCURRENCY,
      rate(query, arm) {
        const rating = readerRating(outcomes[query][columnOf(arm)].quality, random);
        if (rating) tally.ratings++;
        return rating;
      },
      onAnswer(query, arm) {
        tally.answered++;
        tally.cost += outcomes[query][columnOf(arm)].cost;
        tally.dearest += Math.max(...outcomes[query].map(({ cost }) => cost));
        progress.update(progressText(tally, queries.length));
      },
    });
    progress.done(progressText(tally, queries.length));
    const chosen = arms.map(columnOf);
    const report: DemoReport = {
      simulated: true,
      weight: options.weight,
      seed: options.seed,
      seconds: (systemClock.monotonic() - startedAt) / 1000,
      ratings: tally.ratings,
      requests_lost: queries.length - tally.answered,
      ...reportRun(NAMES, outcomeMatrix(outcomes), chosen),
      shares_by_kind: sharesByKind(queries, chosen),
      ...sharesByTag(NAMES, await tagCounts(gateway)),
    };
    print(options.json ? JSON.stringify(report) : renderDemo(report));
  } finally {
    await gateway.close();
    await Promise.all(upstreams.map((upstream) => upstream.close()));
  }
}

const NAMES = SIMULATED_MODELS.map(({ id }) => id);

function columnOf(arm: string): number {
  return NAMES.indexOf(arm);
}

/** Generates queries without repeating a text, because an upstream recognises a query by its text. */
function distinctQueries(random: Random, count: number): DemoQuery[] {
  const distinct = new Map<string, DemoQuery>();
  while (distinct.size < count) {
    for (const query of generateQueries(random, count)) {
      if (distinct.size < count) distinct.set(normalizedText(lastText(query)), query);
    }
  }
  return [...distinct.values()];
}

function lastText(query: DemoQuery): string {
  return query.messages.findLast(({ role }) => role === 'user')?.content ?? '';
}

async function startUpstreams(
  queries: readonly DemoQuery[],
  outcomes: readonly (readonly SimulatedOutcome[])[],
): Promise<SimulatedUpstream[]> {
  const book = new QueryIndex<number>();
  queries.forEach((query, i) => {
    book.add(lastText(query), i);
  });
  return Promise.all(
    SIMULATED_MODELS.map((model, column) =>
      startSimulatedUpstream({
        format: model.format,
        answer: ({ lastUserText }) => {
          const query = book.find(lastUserText);
          if (query === undefined) throw new Error('The query is not one of the demo.');
          return outcomeAnswer(model, queries[query], outcomes[query][column]);
        },
      }),
    ),
  );
}

function toDriven(query: DemoQuery, i: number): DrivenQuery {
  return { messages: query.messages, stream: i % 2 === 1 };
}

/** A simulated reader, who often does not rate, and otherwise gives as many stars as the answer seems worth. */
function readerRating(quality: number, random: Random): { score: number } | null {
  const rates = random.uniform() < RATED_SHARE;
  const careless = random.uniform() < CARELESS_SHARE;
  const judgement = careless ? random.uniform() : quality + JUDGEMENT_SD * random.normal();
  return rates ? { score: Math.round(4 * Math.min(1, Math.max(0, judgement))) / 4 } : null;
}

function sharesByKind(queries: readonly DemoQuery[], chosen: readonly number[]): DemoReport['shares_by_kind'] {
  const kinds = [...new Set(queries.map(({ kind }) => kind))].sort();
  return Object.fromEntries(
    kinds.map((kind) => [
      kind,
      sharesOf(
        NAMES,
        chosen.filter((_, query) => queries[query].kind === kind),
      ),
    ]),
  );
}

function introduction(url: string, queries: number): string {
  return [
    `MixLLM Gateway on ${url}/v1, in front of ${NAMES.length} simulated models on loopback.`,
    `${queries} queries of ${KIND_IDS.length} kinds go through it with the official OpenAI client, half of them streamed;`,
    'simulated readers give stars to some of the answers, not always fairly, and the gateway learns from that.',
    '',
  ].join('\n');
}

function progressText(
  tally: { answered: number; ratings: number; cost: number; dearest: number },
  total: number,
): string {
  const share = tally.dearest > 0 ? ((100 * tally.cost) / tally.dearest).toFixed(0) : '0';
  return `${tally.answered}/${total} queries answered, ${tally.ratings} ratings learned from, ${share} % of the most expensive model's cost so far`;
}
