import type { Context } from '../../domain/context.ts';
import { type Kept, keptFeatures } from '../../features/feature-map.ts';

/** What was carried over from contexts made by another feature map. */
export type CarriedOver = Exclude<Kept, 'all'>;

/** Rows of feature map id, what was carried over, and number of decisions. */
export type ForeignContextsState = [string, CarriedOver, number][];

const CARRIED_OVER: Record<CarriedOver, string> = {
  structure: "the arms' intercepts and the structural features are carried over",
  intercept: "only the arms' intercepts are carried over",
};

/** Counts the decisions in the log whose feature map differs from the learner's. */
export class ForeignContexts {
  #rows: ForeignContextsState = [];

  count(context: Context, featureMap: string, dimensions: number): void {
    const kept = keptFeatures(context, featureMap, dimensions);
    if (kept === 'all') return;
    const row = this.#rows.find(([map, how]) => map === context.featureMap && how === kept);
    if (row) row[2]++;
    else this.#rows.push([context.featureMap, kept, 1]);
  }

  total(kept: CarriedOver): number {
    return this.#rows.filter(([, how]) => how === kept).reduce((sum, [, , decisions]) => sum + decisions, 0);
  }

  /** A sentence for the log; null when there are no such decisions. */
  describe(): string | null {
    const parts = this.#rows.map(
      ([map, kept, decisions]) => `${decisions} decisions of feature map ${map}: ${CARRIED_OVER[kept]}`,
    );
    return parts.length === 0 ? null : `The event log holds ${parts.join('; ')}.`;
  }

  state(): ForeignContextsState {
    return this.#rows;
  }

  restore(state: ForeignContextsState): void {
    this.#rows = state;
  }
}
