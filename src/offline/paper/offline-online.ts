import { splitOf } from '../evaluate/measure-split.ts';
import type { OnlineData } from '../online-data.ts';
import { type Experiment, MIN_MODELS } from './experiment.ts';
import { type Feedback, PolicyDriver, streamThrough } from './policy-driver.ts';
import { bestValue, figuresOf, gainOf, scaleOf, UTILITY } from './scoring.ts';

const SHARES = [0.8, 0.5, 0.3];
const FEEDBACK: Record<Feedback, string> = {
  none: 'offline only',
  grades: 'then online, graded',
  thumbs: 'then online, thumbs',
};

const FIXED = 'always the best-value model of the offline part';

function splitName(share: number): string {
  return `${Math.round(100 * share)} : ${Math.round(100 * (1 - share))}`;
}

export const offlineOnline: Experiment = {
  name: 'offline-online',
  title: 'Offline : online',
  protocol:
    'The policy learns the first part of the queries with every outcome known, then answers the others one by ' +
    'one: without learning, or learning from a rating of the answer that it chose (the recorded grade; or a ' +
    "thumb, up with the probability of the grade). At one weight (ν = 0.1), as shares of the best single model's " +
    'figures on the online part.',
  reading:
    'Shows what ratings of the chosen answers alone add to what was known offline. The three splits are judged on ' +
    'different queries, so compare within a split. Where outcomes are right or wrong, as nearly all are in ' +
    'RouterBench and ZeroEval, a thumb equals the grade; only the judge-scored sets tell the two apart.',
  lead: { figure: UTILITY, over: (way) => `${way.split(',')[0]}, ${FEEDBACK.none}` },
  plot: null,
  seeds: (asked) => Math.ceil(asked / 4),
  measure(data, seed) {
    if (data.models.length < MIN_MODELS) return null;
    return { figures: Object.assign({}, ...SHARES.map((share) => measureShare(data, share, seed))), curves: {} };
  },
};

/** @param share fraction of the queries that are known offline, in (0, 1) */
function measureShare(data: OnlineData, share: number, seed: number): Record<string, Record<string, number>> {
  const { train, test } = splitOf(data, seed, share);
  const scale = scaleOf(test);
  const fixed = bestValue(train, scaleOf(train))[0];
  const routed = (Object.keys(FEEDBACK) as Feedback[]).map((feedback) => {
    const driver = new PolicyDriver(data, seed, scale.best, feedback === 'none' ? 'none' : 'thompson');
    driver.teach(train);
    return [FEEDBACK[feedback], streamThrough(driver, test, scale, { feedback, seed }).gains] as const;
  });
  const always = [FIXED, test.map((row) => gainOf(row, fixed, scale))] as const;
  return Object.fromEntries(
    [always, ...routed].map(([way, gains]) => [`${splitName(share)}, ${way}`, figuresOf(gains, scale)]),
  );
}
