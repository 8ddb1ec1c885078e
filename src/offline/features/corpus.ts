import { basename } from 'node:path';
import { z } from 'zod';
import { embeddedPart } from '../../features/query.ts';
import { readJsonLines } from '../../util/json-lines.ts';

export interface CorpusFile {
  /** Name without its folder. */
  name: string;
  /** Rows taken from it. */
  rows: number;
}

export interface Corpus {
  files: CorpusFile[];
  /** What of each prompt is embedded. */
  texts: string[];
}

const rowSchema = z.object({ prompt: z.string(), question: z.string().nullish() });

/**
 * Reads prompts from files of JSON lines `{prompt, question?}`; the question, free of repeated examples, is preferred.
 * @param rowsPerFile take so many rows from the beginning of each file
 * @throws Error that names the file, and the line and field where one is wrong
 */
export async function readCorpus(paths: readonly string[], rowsPerFile = Number.POSITIVE_INFINITY): Promise<Corpus> {
  const corpus: Corpus = { files: [], texts: [] };
  for (const path of paths) {
    const before = corpus.texts.length;
    for await (const { value, where } of readJsonLines(path)) {
      if (corpus.texts.length - before >= rowsPerFile) break;
      const row = rowSchema.safeParse(value);
      if (!row.success)
        throw new Error(`${where}: ${row.error.issues[0].path.join('.')}: ${row.error.issues[0].message}`);
      corpus.texts.push(embeddedPart(row.data.question || row.data.prompt));
    }
    corpus.files.push({ name: basename(path), rows: corpus.texts.length - before });
  }
  return corpus;
}
