import { basename } from 'node:path';
import { z } from 'zod';
import { embeddedPart } from '../../features/query.ts';
import { readJsonLines } from '../../util/json-lines.ts';

export interface CorpusFile {
  /** File name without its folder. */
  name: string;
  /** Number of rows taken from it. */
  rows: number;
}

export interface Corpus {
  files: CorpusFile[];
  /** The part of each prompt that is embedded. */
  texts: string[];
}

const rowSchema = z.object({ prompt: z.string(), question: z.string().nullish() });

/**
 * Reads prompts from files of JSON lines `{prompt, question?}`, preferring the question, which has no repeated
 * examples.
 * @param rowsPerFile how many rows to take from the beginning of each file
 * @throws Error that names the file and, for a bad row, its line and field
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
