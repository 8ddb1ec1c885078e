import type { Experiment } from './experiment.ts';
import { latency } from './latency.ts';
import { newModels } from './new-models.ts';
import { offlineOnline } from './offline-online.ts';
import { outOfDomain } from './out-of-domain.ts';
import { tags } from './tags.ts';
import { tradeOff } from './trade-off.ts';

/** In the order of the report. */
export const EXPERIMENTS: readonly Experiment[] = [tradeOff, tags, outOfDomain, offlineOnline, newModels, latency];
