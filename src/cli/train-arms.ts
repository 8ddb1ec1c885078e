import { dirname } from 'node:path';
import { formatWarmStart } from '../bandit/warm-start.ts';
import { enabledArms } from '../config/arms.ts';
import { loadConfig } from '../config/load.ts';
import { type ArmTrainingResult, trainArms } from '../offline/arms/train-arms.ts';
import { systemClock } from '../util/clock.ts';
import { makeFolder } from '../util/make-folder.ts';
import { shellWord } from '../util/shell-word.ts';
import { placeOf, writeWhole } from '../util/write-whole.ts';
import { buildFeaturizer } from '../wiring/features.ts';
import { configFile } from './config-file.ts';
import { print } from './print.ts';
import { ProgressLine } from './progress-line.ts';

export interface TrainArmsOptions {
  /** Recorded outcomes, or exports of a gateway's log. */
  data: string[];
  /** Pairs `name=id`: the arm that a recorded model stands for. */
  map?: string[];
  config?: string;
  out: string;
}

/** `mixllm train arms`: writes what recorded outcomes teach about the config's models, for `learning.warm_start`. */
export async function trainArmsCommand(options: TrainArmsOptions): Promise<void> {
  const { config } = loadConfig(configFile(options.config), process.env);
  // Keys are needed to call models, not to learn about them.
  const arms = enabledArms({ config, missingKeys: new Map() });
  const ids = arms.map(({ id }) => id);
  const names = parseNames(options.map ?? [], ids);
  // An unwritable place should fail before the work, not after it.
  makeFolder(dirname(options.out));
  placeOf(options.out);
  const progress = new ProgressLine(process.stderr, systemClock);
  const featurizer = buildFeaturizer(config);
  await featurizer.start();
  const result = await trainArms({
    files: options.data,
    featurizer,
    arms,
    names,
    command: commandOf(options),
    onProgress: (rows) => progress.update(`lines: ${rows}`),
  }).finally(() => featurizer.close());
  progress.done(`lines: ${result.sources.reduce((sum, { rows }) => sum + rows, 0)}`);
  const remarks = remarksOn(result, ids);
  if (result.learned.length === 0) {
    throw new Error(['The files teach nothing about the models in the config.', ...remarks].join('\n'));
  }
  await writeWhole([[options.out, formatWarmStart(result.warmStart, new Date(systemClock.now()), result.sources)]]);
  for (const { arm, ratings, answers } of result.learned) {
    // Ratings may count in part, so their sum may have many digits.
    print(`${arm}: ${Number(ratings.toFixed(2))} ratings, ${answers} answer lengths`);
  }
  for (const remark of remarks) print(`note: ${remark}`);
  print(`Wrote ${options.out}. To start from it, set learning: { warm_start: ${options.out} } in the config.`);
}

function parseNames(pairs: readonly string[], ids: readonly string[]): Map<string, string> {
  return new Map(
    pairs.map((pair) => {
      // Ids contain no equals sign, but names may.
      const cut = pair.lastIndexOf('=');
      const [name, id] = [pair.slice(0, cut), pair.slice(cut + 1)];
      if (cut < 1) throw new Error(`--map ${pair}: it must be NAME=ID, a recorded model and a model of the config.`);
      if (!ids.includes(id)) {
        throw new Error(`--map ${pair}: no model has the id "${id}"; choose from: ${ids.join(', ')}.`);
      }
      return [name, id];
    }),
  );
}

function remarksOn(
  { unknown, unused, textless, repeated, foreign, warmStart }: ArmTrainingResult,
  ids: string[],
): string[] {
  return [
    unknown.length > 0 &&
      `left out, because no model of the config has these ids: ${unknown.join(', ')}. --map NAME=ID treats one as a model of the config: ${ids.join(', ')}.`,
    unused.length > 0 && `no file has a model called ${unused.join(', ')}.`,
    textless > 0 && `${textless} lines have neither prompt nor features and are left out.`,
    repeated > 0 && `${repeated} lines repeat a decision: only the last line of each decision counts.`,
    foreign > 0 &&
      `${foreign} lines have features from another map than ${warmStart.featureMap}: only the intercepts, and at most the structural features, count.`,
  ].filter((remark) => remark !== false);
}

function commandOf({ data, map, config, out }: TrainArmsOptions): string {
  const words = ['--data', ...data, ...(map ? ['--map', ...map] : []), ...(config ? ['--config', config] : [])];
  return ['mixllm train arms', ...[...words, '--out', out].map(shellWord)].join(' ');
}
