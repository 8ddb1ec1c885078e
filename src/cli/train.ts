import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { DEFAULT_MAP, descriptionFile } from '../features/lexical-map.ts';
import { SentenceEncoder } from '../features/transformers/sentence-encoder.ts';
import { cannotLoad, HUB_CACHE } from '../features/transformers/transformers-embedder.ts';
import { readCorpus } from '../offline/features/corpus.ts';
import { parseKnownTags } from '../offline/features/describe.ts';
import { type TrainedMap, type TrainingRequest, trainLexicalMap } from '../offline/features/train.ts';
import { trainProjection } from '../offline/features/train-projection.ts';
import { systemClock } from '../util/clock.ts';
import { makeFolder } from '../util/make-folder.ts';
import { writeWhole } from '../util/write-whole.ts';
import { print } from './print.ts';
import { ProgressLine } from './progress-line.ts';

export interface TrainFeaturesOptions {
  embedder: 'lexical' | 'transformers';
  /** With `transformers`: a folder with the model's files, or the name of a model on the Hugging Face hub. */
  model?: string;
  dtype: 'q8' | 'fp32';
  maxTokens: number;
  /** Files of JSON lines `{prompt, question?}`, gzipped when the name ends in `.gz`. */
  corpus: string[];
  /** Where the map (`.bin`) and its description (`.json`) are written. */
  out: string;
  /** Any 32-bit integer. */
  seed: number;
  /** Number of rows taken from the beginning of each file; absent: all. */
  rows?: number;
}

/** `mixllm train features`: fits a feature map and writes it, with its provenance next to it. */
export async function trainFeatures(options: TrainFeaturesOptions): Promise<void> {
  const { embedder, corpus: paths, out, seed, rows } = options;
  if (embedder === 'lexical' && options.model !== undefined) {
    throw new Error(`--model ${options.model} needs --embedder transformers; a lexical map has no model.`);
  }
  const map = pathToFileURL(join(out, `${embedder}-map.bin`));
  const corpus = await readCorpus(paths, rows);
  // An unwritable folder should fail before the work, not after it.
  makeFolder(out);
  const progress = new ProgressLine(process.stderr, systemClock);
  const { bytes, description } = await train(options, {
    corpus,
    seed,
    knownTags: await knownTags(map),
    command: commandLine(options),
    date: new Date(systemClock.now()),
    onProgress: (stage, share) => progress.update(`${stage} … ${Math.round(100 * share)} %`),
  });
  progress.done();
  await writeWhole([
    [fileURLToPath(map), bytes],
    [fileURLToPath(descriptionFile(map)), `${JSON.stringify(description, null, 2)}\n`],
  ]);
  print(`${fileURLToPath(map)}: ${bytes.length} bytes, ${description.prompts} prompts, sha256 ${description.sha256}`);
  for (const { name, prompts, ngrams } of description.tags) {
    print(`${String(prompts).padStart(7)}  ${name.padEnd(44)} ${ngrams.slice(0, 6).join(', ')}`);
  }
  print(`You can change the tag names in ${fileURLToPath(descriptionFile(map))}; they are not part of the map.`);
}

async function train(options: TrainFeaturesOptions, request: TrainingRequest): Promise<TrainedMap> {
  if (options.embedder === 'lexical') return trainLexicalMap(request);
  const { model: name, dtype, maxTokens } = options;
  if (name === undefined) throw new Error('--embedder transformers needs --model: a folder, or a name on the hub.');
  const settings = { model: name, dtype, maxTokens };
  const encoder = new SentenceEncoder({ ...settings, clock: systemClock, cacheFolder: HUB_CACHE, budgetMs: null });
  try {
    const { width, fingerprint } = await encoder.start().catch((error: Error) => {
      throw new Error(cannotLoad(name, error.message));
    });
    const encode = (text: string) => encoder.encode(text);
    const model = { name: shortName(name), fingerprint, dtype, maxTokens };
    return await trainProjection({ ...request, encode, width, model });
  } finally {
    await encoder.close();
  }
}

/** Takes the tags' names from the map that is to be replaced, or else from the shipped one. */
async function knownTags(map: URL) {
  const file = existsSync(descriptionFile(map)) ? descriptionFile(map) : descriptionFile(DEFAULT_MAP);
  if (!existsSync(file)) return [];
  try {
    return parseKnownTags(await readFile(file, 'utf8'));
  } catch {
    throw new Error(
      `${fileURLToPath(file)} is not a description of a feature map: move it away, or choose another --out.`,
    );
  }
}

/**
 * Leaves out the folders, which are specific to whoever trained the map; the file names show which corpora were used.
 */
function commandLine({ embedder, model, dtype, maxTokens, corpus, seed, rows }: TrainFeaturesOptions): string {
  const limit = rows === undefined ? '' : ` --rows ${rows}`;
  const encoding =
    embedder === 'lexical'
      ? ''
      : ` --embedder transformers --model ${shortName(model ?? '')} --dtype ${dtype} --max-tokens ${maxTokens}`;
  return `mixllm train features${encoding} --corpus (the ${corpus.length} files below) --seed ${seed}${limit}`;
}

/** A folder's name without its path; for a model on the hub, the whole name. */
function shortName(model: string): string {
  return existsSync(model) ? basename(resolve(model)) : model;
}
