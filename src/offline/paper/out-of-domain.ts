import { derivedSeed, seededRandom, shuffled } from '../../util/random.ts';
import { mean } from '../../util/statistics.ts';
import type { EvaluationRow } from '../evaluate/predictor.ts';
import type { OnlineData } from '../online-data.ts';
import { type Experiment, type Figures, MIN_MODELS } from './experiment.ts';
import { type Feedback, PolicyDriver, streamThrough } from './policy-driver.ts';
import { bestValue, figuresOf, gainOf, rowsOf, scaleOf, UTILITY } from './scoring.ts';

/** Smaller tasks are not informative enough. */
const MIN_QUERIES = 100;

const BEST = 'always the best model of the task (hindsight)';
const OTHERS_BEST = 'always the best-value model of the other tasks';
const OFFLINE = 'MixLLM Gateway, out of domain, offline only';
const ONLINE = 'MixLLM Gateway, out of domain, learning online';
const IN_DOMAIN = 'MixLLM Gateway, in domain, offline only';

export const outOfDomain: Experiment = {
  name: 'out-of-domain',
  title: 'Out of domain',
  protocol:
    `Each task of at least ${MIN_QUERIES} queries is left out in turn. A random half of its queries is judged; ` +
    'the policy was trained on all other tasks, and for *in domain* on the other half too. Online, the judged ' +
    'queries stream in and each answer is graded before the next decision. At one weight (ν = 0.1); means over ' +
    "the tasks, as shares of the best single model's quality and cost on the judged queries. The price lists name " +
    'all models.',
  reading:
    'Shows what predictions are worth on an unseen kind of query, and how much of the loss a few hundred ratings ' +
    'recover. Does not show a real new domain: these tasks are all benchmarks, and the feature map saw prompts ' +
    'like theirs.',
  lead: { figure: UTILITY, over: () => OFFLINE },
  plot: null,
  seeds: (asked) => Math.ceil(asked / 4),
  measure(data, seed) {
    const byTask = Map.groupBy(rowsOf(data), ({ task }) => task);
    const tasks = [...byTask].filter(([, rows]) => rows.length >= MIN_QUERIES);
    if (data.models.length < MIN_MODELS || byTask.size < 2 || tasks.length === 0) return null;
    const measured = tasks.map(([task]) => [task, leaveOut(data, task, seed)] as const);
    const figures: Figures = {};
    for (const way of Object.keys(measured[0][1])) {
      const names = Object.keys(measured[0][1][way]);
      figures[way] = {
        ...Object.fromEntries(names.map((name) => [name, mean(measured.map(([, of]) => of[way][name]))])),
        ...Object.fromEntries(measured.map(([task, of]) => [`utility: ${task}`, of[way][UTILITY]])),
      };
    }
    return { figures, curves: {} };
  },
};

/** Figures per way on one task that the policy was not trained on. */
function leaveOut(data: OnlineData, task: string, seed: number): Record<string, Record<string, number>> {
  const { others, own, judged } = splitTask(rowsOf(data), task, seed);
  const scale = scaleOf(judged);
  const always = (model: number) =>
    figuresOf(
      judged.map((row) => gainOf(row, model, scale)),
      scale,
    );
  const routed = (train: readonly EvaluationRow[], feedback: Feedback) => {
    const driver = new PolicyDriver(data, seed, scale.best, feedback === 'none' ? 'none' : 'thompson');
    driver.teach(train);
    return figuresOf(streamThrough(driver, judged, scale, { feedback, seed }).gains, scale);
  };
  return {
    [BEST]: always(scale.best),
    [OTHERS_BEST]: always(bestValue(others, scaleOf(others))[0]),
    [OFFLINE]: routed(others, 'none'),
    [ONLINE]: routed(others, 'grades'),
    [IN_DOMAIN]: routed([...others, ...own], 'none'),
  };
}

/**
 * Returns the other tasks' rows, and the task's own rows in two halves: one for in-domain training, one for scoring.
 */
function splitTask(rows: readonly EvaluationRow[], task: string, seed: number) {
  const ofTask = shuffled(
    rows.filter((row) => row.task === task),
    seededRandom(derivedSeed(seed, 0)),
  );
  const half = Math.floor(ofTask.length / 2);
  return {
    others: rows.filter((row) => row.task !== task),
    own: ofTask.slice(0, half),
    judged: ofTask.slice(half),
  };
}
