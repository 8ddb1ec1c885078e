import { mean } from '../../util/statistics.ts';
import { LABELLED, PLAIN, type Ratings, runStream } from './run-stream.ts';
import type { Stream } from './stream.ts';

/** Something that production does to a learner, and how it is judged. */
export interface Scenario {
  title: string;
  /** The figure that stands for the scenario. */
  headline: string;
  /** Figures by name, of one stream. */
  measure(stream: Stream): Record<string, number>;
}

/** Mean utility over the stream, cold and after 50 labelled queries, with ratings that come back so. */
function withRatings(title: string, ratings: Partial<Ratings>): Scenario {
  const utility = (stream: Stream, labelled: number) =>
    mean(runStream(stream, { ...PLAIN, labelled, ratings: { ...PLAIN.ratings, ...ratings } }).utilities);
  return {
    title,
    headline: 'warm50',
    measure: (stream) => ({ warm50: utility(stream, LABELLED), cold: utility(stream, 0) }),
  };
}

export const SCENARIOS = {
  delay300: withRatings('ratings 300 requests late', { delay: 300 }),
  rated10: withRatings('10 % of answers rated', { share: 0.1 }),
  flip20: withRatings('thumbs, 20 % of them flipped', { kind: 'thumbs', flipped: 0.2 }),
} satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof SCENARIOS;
