import { z } from 'zod';
import type { CorpusFile } from './corpus.ts';
import { type Source, sourceOf } from './sources.ts';

/** A tag as the description of a map has it. */
export interface DescribedTag {
  name: string;
  /** Training prompts that bear it. */
  prompts: number;
  /** The word n-grams that tell most about it. */
  ngrams: string[];
}

/** What stands in the JSON file beside a map: where it comes from, and what its tags are called. */
export interface MapDescription {
  /** Of the map's file. */
  sha256: string;
  command: string;
  /** ISO 8601; when the map was made. */
  date: string;
  seed: number;
  /** Prompts that it was trained on. */
  prompts: number;
  corpus: (CorpusFile & { source: Source | null })[];
  tags: DescribedTag[];
}

export function describeCorpus(files: readonly CorpusFile[]): MapDescription['corpus'] {
  return files.map((file) => ({ ...file, source: sourceOf(file.name) }));
}

/** This share of a tag's n-grams in common makes it the same tag as before. */
const SAME = 0.5;

/**
 * Names for new tags. Each takes over the name of the known tag that it shares most n-grams with, so that a person's
 * names outlive a training run; a tag unlike all of those is called by its n-grams until somebody finds a better name.
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

/** The tags of a description. @throws Error when the text is no description of a map */
export function parseKnownTags(text: string): Pick<DescribedTag, 'name' | 'ngrams'>[] {
  return knownTagsSchema.parse(JSON.parse(text)).tags;
}
