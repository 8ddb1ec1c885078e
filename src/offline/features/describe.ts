import { z } from 'zod';
import type { CorpusFile } from './corpus.ts';
import { type Source, sourceOf } from './sources.ts';

/** A tag in the description of a map. */
export interface DescribedTag {
  name: string;
  /** Number of training prompts with this tag. */
  prompts: number;
  /** The word n-grams that are most characteristic of it. */
  ngrams: string[];
}

/** Contents of a map's JSON file: the map's provenance, and the names of its tags. */
export interface MapDescription {
  /** SHA-256 of the map's file. */
  sha256: string;
  command: string;
  /** When the map was made; ISO 8601. */
  date: string;
  seed: number;
  /** Number of prompts that it was trained on. */
  prompts: number;
  corpus: (CorpusFile & { source: Source | null })[];
  tags: DescribedTag[];
}

export function describeCorpus(files: readonly CorpusFile[]): MapDescription['corpus'] {
  return files.map((file) => ({ ...file, source: sourceOf(file.name) }));
}

/** A new tag is considered the same as an earlier one when they share at least this fraction of their n-grams. */
const SAME = 0.5;

/**
 * Names new tags. Each takes the name of the known tag with which it shares the most n-grams, so that names given by
 * people survive a training run. A tag unlike all of them is named after its n-grams until somebody finds a better
 * name.
 * @param known tags of an earlier map, each used at most once
 */
export function nameTags(
  tellings: readonly string[][],
  known: readonly Pick<DescribedTag, 'name' | 'ngrams'>[],
): string[] {
  const pairs = tellings.flatMap((ngrams, tag) =>
    known.map((old) => ({ tag, old, share: overlap(ngrams, old.ngrams) })),
  );
  const names: string[] = [];
  const used = new Set<object>();
  for (const { tag, old, share } of pairs.sort((a, b) => b.share - a.share)) {
    if (share < SAME || names[tag] !== undefined || used.has(old)) continue;
    names[tag] = old.name;
    used.add(old);
  }
  return tellings.map((ngrams, tag) => names[tag] ?? (ngrams.slice(0, 3).join(', ') || `tag ${tag}`));
}

function overlap(a: readonly string[], b: readonly string[]): number {
  return a.filter((ngram) => b.includes(ngram)).length / Math.max(1, a.length, b.length);
}

const knownTagsSchema = z.object({ tags: z.array(z.object({ name: z.string(), ngrams: z.array(z.string()) })) });

/**
 * The tags in a description.
 * @throws Error when the text is not the description of a map
 */
export function parseKnownTags(text: string): Pick<DescribedTag, 'name' | 'ngrams'>[] {
  return knownTagsSchema.parse(JSON.parse(text)).tags;
}
