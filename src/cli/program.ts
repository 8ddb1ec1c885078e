import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { configFile, DEFAULT_CONFIG } from './config-file.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

const CONFIG_HELP = `the config file (default: ${DEFAULT_CONFIG}, else the shipped one)`;

/** Runs the command line. Each command's code is loaded only when it is called, so that `check` starts at once. */
export async function run(argv: readonly string[]): Promise<void> {
  const program = new Command('mixllm')
    .description('A gateway that sends each query to the language model that is worth its price.')
    .version(version)
    .showHelpAfterError();

  addServing(program);
  addBench(program);
  addEvaluation(program);
  addTraining(program);
  addLog(program);
  await program.parseAsync([...argv]);
}

/** Commands of the gateway itself. */
function addServing(program: Command): void {
  program
    .command('serve')
    .description('run the gateway')
    .option('-c, --config <file>', CONFIG_HELP)
    .action(async (options) => (await import('./serve.ts')).serve(configFile(options.config)));

  program
    .command('check')
    .description('validate a config and show what it means')
    .argument('[file]', 'the config file')
    .option('-c, --config <file>', CONFIG_HELP)
    .action(async (file, options) => {
      if (file && options.config) throw new Error(`Two configs are given, ${file} and ${options.config}: give one.`);
      (await import('./check.ts')).check(configFile(file ?? options.config));
    });

  program
    .command('demo')
    .description('see it work: the real gateway with simulated models, no key and no network')
    .option('--queries <number>', 'queries to send', positiveInteger, 1200)
    .option('--weight <number>', 'weight of quality against cost, 0 to 1', share, 0.8)
    .option('--seed <number>', 'seed of the queries and answers', integer, 1)
    .option('--json', 'print one JSON object instead of the table')
    .action(async (options) => (await import('./demo.ts')).demo(options));
}

/** Commands that run the gateway, or its policy, on recorded outcomes. */
function addBench(program: Command): void {
  program
    .command('bench')
    .description('like demo, on recorded outcomes: each upstream returns what its model really scored')
    .requiredOption('--data <file...>', 'recorded outcomes, JSONL or JSONL.gz; several with --online')
    .addOption(
      new Option(
        '--online',
        'run in this process instead of through HTTP: many random orders, all learners compared',
      ).conflicts(['sweep', 'limit', 'weight', 'seed']),
    )
    .addOption(
      new Option(
        '--labelled <number>',
        'the --online protocol through HTTP, with this many queries answered by all models',
      )
        .argParser(positiveInteger)
        .conflicts(['online', 'sweep', 'limit', 'weight', 'seed', 'out']),
    )
    .option('--seeds <number>', 'number of random orders: 24 with --online, 8 with --labelled, else 1', seeds)
    .option('--scenarios <names...>', 'with --online: only these scenarios, or none (default: all)', names)
    .option('-c, --config <file>', 'with --online: use the feature map of this config (default: the shipped map)')
    .option('--limit <number>', 'queries to send, drawn at random', positiveInteger)
    .option('--weight <number>', 'weight of quality against cost, 0 to 1', share, 0.8)
    .option('--seed <number>', 'seed of the order, the prices and the choices', integer, 1)
    .option('--sweep', 'run at nine weights instead of one')
    .option(
      '--out <folder>',
      'with --sweep: where to write a table (Markdown) and a plot (SVG); with --online: a learning curve (SVG)',
    )
    .option('--json', 'print one JSON object instead of the table')
    .action(async (options) => {
      if (options.online)
        await (await import('./bench-online.ts')).benchOnline({
          ...options,
          seeds: options.seeds ?? 24,
        });
      else if (options.data.length > 1) throw new Error('Several files need --online.');
      else if (options.scenarios !== undefined) throw new Error('--scenarios needs --online.');
      else if (options.config !== undefined) throw new Error('--config needs --online.');
      else if (options.labelled) {
        const seeds = options.seeds ?? 8;
        await (await import('./bench-labelled.ts')).benchLabelled({ ...options, data: options.data[0], seeds });
      } else if (options.seeds > 1) {
        if (options.sweep) throw new Error('--seeds cannot be combined with --sweep.');
        if (options.out) throw new Error('--out needs --sweep or --online.');
        await (await import('./bench-seeds.ts')).benchSeeds({ ...options, data: options.data[0] });
      } else await (await import('./bench.ts')).bench({ ...options, data: options.data[0] });
    });
}

/** Commands that measure predictions on recorded outcomes. */
function addEvaluation(program: Command): void {
  program
    .command('evaluate')
    .description('score the predictions on held-out recorded outcomes, next to simple baselines')
    .requiredOption('--data <file...>', 'recorded outcomes, JSONL or JSONL.gz')
    .option('--seeds <number>', 'number of random splits; fewer than 24 are misleading', seeds, 24)
    .option('--split <share>', 'share of the queries to learn from', share, 0.8)
    .option(
      '--predictors <name...>',
      'only these predictors, plus all baselines; mixllm is what the gateway does',
      names,
    )
    .option('-c, --config <file>', 'judge the feature map of this config (default: the shipped map)')
    .option('--out <folder>', 'where to write a table (Markdown) and plots (SVG)')
    .option('--json', 'print one JSON object instead of tables')
    .action(async (options) => (await import('./evaluate.ts')).evaluate(options));

  program
    .command('paper')
    .description("the paper's experiments on recorded outcomes, in one report with plots")
    .option('--data <path...>', 'files of recorded outcomes, JSONL or JSONL.gz, or folders of them')
    .option('--seeds <number>', 'random splits of the main trade-off; the others use some of them', seeds, 24)
    .option('--experiments <name...>', 'only these experiments', names)
    .option('--out <folder>', 'where to write the report (Markdown) and plots (SVG)', 'docs/paper')
    .option('--json', 'also print the figures as one JSON object')
    .action(async (options) => (await import('./paper.ts')).paper(options));
}

/** Commands that fit something, or prepare data for it. */
function addTraining(program: Command): void {
  const train = program.command('train').description('fit feature maps, priors and warm starts');
  train
    .command('features')
    .description('fit the map from queries to features on a corpus of prompts')
    .requiredOption('--corpus <file...>', 'prompts, JSONL or JSONL.gz')
    .addOption(
      new Option('--embedder <kind>', 'embedder that the map is for')
        .choices(['lexical', 'transformers'])
        .default('lexical'),
    )
    .option('--model <model>', 'with transformers: a folder with a sentence-embedding model, or its name on the hub')
    .addOption(
      new Option('--dtype <type>', "with transformers: data type of the model's weights")
        .choices(['q8', 'fp32'])
        .default('q8'),
    )
    .option('--max-tokens <number>', 'with transformers: longer prompts are cut in the middle', tokens, 128)
    .option('--out <folder>', 'where to write the map', 'data/features')
    .option('--rows <number>', 'prompts to take from each file', positiveInteger)
    .option('--seed <number>', 'seed of the fit', integer, 0)
    .action(async (options) => (await import('./train.ts')).trainFeatures(options));
  train
    .command('priors')
    .description('for maintainers: fit the priors of small, mid and frontier models on public data')
    .requiredOption('--data <file...>', 'recorded outcomes of models of known size, JSONL or JSONL.gz')
    .option('-c, --config <file>', 'use the feature map of this config instead of the shipped one')
    .option('--out <file>', 'where to write (default: the shipped file)')
    .action(async (options) => (await import('./train-priors.ts')).trainPriorsCommand(options));
  train
    .command('arms')
    .description("make a warm start for the config's models from recorded outcomes, or from a log export")
    .requiredOption('--data <file...>', 'recorded outcomes, JSONL or JSONL.gz')
    .option('--map <name=id...>', 'treat a recorded model as a model of the config')
    .option('-c, --config <file>', CONFIG_HELP)
    .option('--out <file>', 'where to write, for learning.warm_start in the config', 'data/arms.json')
    .action(async (options) => (await import('./train-arms.ts')).trainArmsCommand(options));

  program
    .command('convert')
    .description('convert published data to recorded outcomes that bench reads')
    .command('routerbench')
    .description("convert RouterBench's wide table, CSV or Parquet")
    .argument('<file>', 'e.g. routerbench_0shot.parquet')
    .option('--out <file>', 'where to write, JSONL or JSONL.gz (default: next to the table, .jsonl.gz)')
    .option('--force', 'overwrite an existing file')
    .action(async (file, options) => (await import('./convert.ts')).convertRouterBenchFile(file, options));
}

/** Commands on the event log. */
function addLog(program: Command): void {
  const log = program
    .command('log')
    .description('read what the gateway has recorded, delete decisions, withdraw ratings; safe while it runs');
  const period = (command: Command) =>
    command
      .option('-c, --config <file>', CONFIG_HELP)
      .option('--since <time>', 'only decisions from this time on: 2026-11-25, or 2026-11-25T14:30:00Z', time)
      .option('--until <time>', 'only decisions before this time', time);
  period(log.command('export'))
    .description(
      'write answered decisions with outcomes and ratings as JSON lines, for training; no prompts, no answers',
    )
    .option('--out <file>', 'where to write, JSONL or JSONL.gz (default: standard output)')
    .option('--force', 'overwrite an existing file')
    .action(async (options) => (await import('./log.ts')).exportLog(options));
  log
    .command('backup')
    .description('copy the current log to a file, even while the gateway runs')
    .option('-c, --config <file>', CONFIG_HELP)
    .requiredOption('--out <file>', 'where to write')
    .option('--force', 'overwrite an existing file')
    .action(async (options) => (await import('./log.ts')).backUpLog(options));
  period(log.command('delete'))
    .description(
      'delete decisions with their outcomes, ratings and comments; what was learned from them stays; without --id and --key, --since and --until delete decisions of all keys',
    )
    .option('--id <id...>', 'ids of decisions (dec_…), separated by spaces or commas', names)
    .option('--key <name>', 'only decisions of this key')
    .action(async (options) => (await import('./log-changes.ts')).deleteFromLog(options));
  log
    .command('withdraw')
    .description('withdraw the ratings of a source or of a key, and erase their comments')
    .option('-c, --config <file>', CONFIG_HELP)
    .option('--source <name>', 'only ratings of this source')
    .option('--key <name>', 'only ratings of the decisions of this key')
    .option('--since <time>', 'only ratings given from this time on', time)
    .option('--until <time>', 'only ratings given before this time', time)
    .action(async (options) => (await import('./log-changes.ts')).withdrawRatings(options));
  period(log.command('stats'))
    .description('show decisions, answers and ratings by model')
    .option('--json', 'print one JSON object instead of the table')
    .action(async (options) => (await import('./log.ts')).logStats(options));

  period(program.command('replay'))
    .description('what if: estimate quality, cost and utility of another policy from the log alone')
    .requiredOption(
      '--policy <file>',
      'YAML: default_weight or weight, exploration, quality, models, priors; whatever is absent stays as it was',
    )
    .option('--json', 'print one JSON object instead of tables')
    .action(async (options) => (await import('./replay.ts')).replay(options));
}

/** A list, separated by spaces or commas. */
function names(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(',').map((name) => name.trim())].filter((name) => name !== '');
}

function integer(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('It must be a whole number.');
  return value;
}

function positiveInteger(text: string): number {
  const value = integer(text);
  if (value < 1) throw new InvalidArgumentError('It must be at least 1.');
  return value;
}

/**
 * Limited because each seed is a job in a list: a billion of them would exhaust the memory before the first one begins.
 */
function seeds(text: string): number {
  const value = positiveInteger(text);
  if (value > 10_000) throw new InvalidArgumentError('It must be from 1 to 10000.');
  return value;
}

function tokens(text: string): number {
  const value = integer(text);
  if (value < 4 || value > 8192) throw new InvalidArgumentError('It must be from 4 to 8192.');
  return value;
}

function share(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError('It must be a number from 0 to 1.');
  return value;
}

const TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/;

/**
 * Parses a date or time. A date means its midnight in UTC.
 * @returns milliseconds since the Unix epoch
 */
function time(text: string): number {
  const [value, day] = [Date.parse(text), text.slice(0, 10)];
  // Rejects impossible dates, because JavaScript reads 30 February as 2 March.
  if (TIME.test(text) && !Number.isNaN(value) && new Date(day).toISOString().startsWith(day)) return value;
  throw new InvalidArgumentError('It must be a date (2026-11-25) or a time (2026-11-25T14:30:00Z).');
}
