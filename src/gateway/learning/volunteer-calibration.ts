import { decidedIn, type GatewayEvent } from '../../domain/events.ts';
import { activeRatings } from '../../domain/ratings.ts';
import type { VolunteerWeights } from '../../domain/selection.ts';

/**
 * The number of rated audited answers needed before volunteers count, and how many of them must be good and how many
 * bad.
 */
const ENOUGH = { ratings: 20, ofEach: 5 };
/** Half a rating of each kind is added, so that the odds stay bounded (Haldane 1956, Anscombe 1956). */
const HALF = 0.5;
/** One kind of rating counts at most this many times as much as the other. */
const MAX_RATIO = 50;

const NOBODY: VolunteerWeights = { good: 0, bad: 0 };

interface Sums {
  count: number;
  /** Σ score and Σ score² */
  scores: number;
  squares: number;
}

/** The sums of one source: ratings of audited answers, and of all others. */
interface SourceSums {
  audited: Sums;
  volunteered: Sums;
}

export type VolunteerCalibrationState = [source: string, sums: SourceSums][];

/**
 * The weight of ratings that nobody asked for, per source, so that people who complain more than they praise do not
 * bias what is learned. A fold over the event log.
 *
 * Audited answers are drawn at random, and everyone who is asked rates with the same probability, so the mean ȳ of
 * their scores estimates the mean of all answers. Volunteers rate with a probability v(score) that depends on the
 * score. Their weights u(s) = s·u₁ + (1 − s)·u₀ are calibrated (Deville and Särndal 1992) so that their weighted mean
 * is ȳ too. With the sums over volunteers,
 *
 *   u₁ / u₀ = Σ (1 − s)(ȳ − s) / Σ s (s − ȳ),
 *
 * which for thumbs is the odds of "up" among the audited over the odds among volunteers: an odds ratio, which is the
 * same for every context and arm when v depends on the score alone (Prentice and Pyke 1979). So it is estimated over
 * all arms together, while the weighted ratings show how arms and contexts differ. The larger weight is 1, so that no
 * rating counts as more than one.
 *
 * Until enough audited answers are rated, volunteers' ratings have no weight. Comparison on a simulated stream
 * (test/gateway/unit/audit.test.ts with 8 seeds: 20,000 answers, 2 % of them audited; half of the people asked rate;
 * bad answers draw complaints five times as often as good ones draw praise); bias of the learned quality and root mean
 * squared error:
 *   no audit                                   −0.34, 0.35
 *   asked ratings × 1 / 0.02, volunteered × 1  −0.05, 0.10
 *   asked ratings alone                         0.01, 0.07
 *   asked ratings, volunteered calibrated       0.01, 0.05
 * Inverse inclusion probabilities alone only dilute the volunteers' bias, and let one rating count as fifty.
 */
export class VolunteerCalibration {
  #sources = new Map<string, SourceSums>();

  /** @param history earlier events of the same decision */
  fold(event: GatewayEvent, history: readonly GatewayEvent[]): void {
    if (event.type !== 'rated' && event.type !== 'withdrawn') return;
    this.#add(history, -1);
    this.#add([...history, event], 1);
  }

  /**
   * The weights of the source's volunteered ratings, given all ratings so far. Depends only on the sums of that source.
   */
  weightsOf(source: string): VolunteerWeights {
    const sums = this.#sources.get(source);
    if (!sums) return NOBODY;
    const { audited, volunteered } = sums;
    const rare = Math.min(audited.scores, audited.count - audited.scores);
    // After ratings were taken back, the sums may be off by a rounding error.
    if (Math.round(audited.count) < ENOUGH.ratings || rare < ENOUGH.ofEach - 1e-9) return NOBODY;
    const mean = (audited.scores + HALF) / (audited.count + 2 * HALF);
    const { count, scores, squares } = withHalves(volunteered);
    const bad = mean * (count - scores) - (scores - squares);
    const good = squares - mean * scores;
    // At most one of the two is negative, which means that all volunteers rate on one side of the mean.
    const ratio = good <= 0 ? MAX_RATIO : Math.min(MAX_RATIO, Math.max(1 / MAX_RATIO, bad / good));
    return ratio > 1 ? { good: 1, bad: 1 / ratio } : { good: ratio, bad: 1 };
  }

  state(): VolunteerCalibrationState {
    return [...this.#sources];
  }

  restore(state: VolunteerCalibrationState): void {
    this.#sources = new Map(state);
  }

  /** Ratings from before there was an audit, and of sources that are not audited, say nothing about volunteers. */
  #add(events: readonly GatewayEvent[], sign: 1 | -1): void {
    const request = decidedIn(events)?.decision.ask;
    // Answers that are asked about because they would teach much come from atypical queries, whether audited or not.
    if (!request || request.teaches) return;
    for (const { source, score, volunteered } of activeRatings(events)) {
      if (!volunteered || !Number.isFinite(score)) continue;
      const sums = this.#sumsOf(source)[request.audit ? 'audited' : 'volunteered'];
      sums.count += sign;
      sums.scores += sign * score;
      sums.squares += sign * score * score;
    }
  }

  #sumsOf(source: string): SourceSums {
    let sums = this.#sources.get(source);
    if (!sums) {
      const none = () => ({ count: 0, scores: 0, squares: 0 });
      sums = { audited: none(), volunteered: none() };
      this.#sources.set(source, sums);
    }
    return sums;
  }
}

function withHalves({ count, scores, squares }: Sums): Sums {
  return { count: count + 2 * HALF, scores: scores + HALF, squares: squares + HALF };
}
