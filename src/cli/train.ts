import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ProgressLine } from '../demo/progress-line.ts';
import { DEFAULT_MAP, descriptionFile } from '../features/lexical-map.ts';
import { readCorpus } from '../offline/features/corpus.ts';
import { parseKnownTags } from '../offline/features/describe.ts';
import { trainLexicalMap } from '../offline/features/train.ts';
import { systemClock } from '../util/clock.ts';

export interface TrainFeaturesOptions {
  /** Files of JSON lines `{prompt, question?}`, gzipped when the name ends in `.gz`. */
  corpus: string[];
  /** Where `lexical-map.bin` and `lexical-map.json` go. */
  out: string;
  /** Any 32-bit integer. */
  seed: number;
  /** Rows taken from the beginning of each file; all of them when absent. */
  rows?: number;
}

/** `mixllm train features`: fits the lexical feature map, and writes it with its provenance beside it. */
export async function trainFeatures({ corpus: paths, out, seed, rows }: TrainFeaturesOptions): Promise<void> {
  const map = pathToFileURL(join(out, 'lexical-map.bin'));
  const corpus = await readCorpus(paths, rows);
  const progress = new ProgressLine(process.stderr, systemClock);
  const { bytes, description } = trainLexicalMap({
    corpus,
    seed,
    knownTags: await knownTags(map),
    command: commandLine(paths.length, seed, rows),
    date: new Date(systemClock.now()),
    onProgress: (stage, share) => progress.update(`${stage} … ${Math.round(100 * share)} %`),
  });
  progress.done();
  await mkdir(out, { recursive: true });
  await writeFile(map, bytes);
  await writeFile(descriptionFile(map), `${JSON.stringify(description, null, 2)}\n`);
  console.log(`${map.pathname}: ${bytes.length} bytes, ${description.prompts} prompts, sha256 ${description.sha256}`);
  for (const { name, prompts, ngrams } of description.tags) {
    console.log(`${String(prompts).padStart(7)}  ${name.padEnd(44)} ${ngrams.slice(0, 6).join(', ')}`);
  }
  console.log(`Names of tags are yours to change in ${descriptionFile(map).pathname}; they are no part of the map.`);
}

/** Names are taken over from the map that stands where the new one goes, else from the one that ships. */
async function knownTags(map: URL) {
  const file = existsSync(descriptionFile(map)) ? descriptionFile(map) : descriptionFile(DEFAULT_MAP);
  if (!existsSync(file)) return [];
  try {
    return parseKnownTags(await readFile(file, 'utf8'));
  } catch {
    throw new Error(`${file.pathname} is no description of a feature map: move it away, or choose another --out.`);
  }
}

/** Without folders: they are the trainer's own, and the file names say which corpora it was. */
function commandLine(files: number, seed: number, rows: number | undefined): string {
  const limit = rows === undefined ? '' : ` --rows ${rows}`;
  return `mixllm train features --corpus (the ${files} files below) --seed ${seed}${limit}`;
}
