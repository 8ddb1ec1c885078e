import { encodeMap, hashOf } from '../../features/lexical-map.ts';
import { composeMap, placeTags, quantise } from './compose.ts';
import type { Corpus } from './corpus.ts';
import { type DescribedTag, describeCorpus, type MapDescription, nameTags } from './describe.ts';
import { fitPipeline, PIPELINE_DEFAULTS, type PipelineOptions } from './pipeline.ts';
import { tellingNgrams } from './telling-ngrams.ts';

/**
 * Bits per n-gram weight. On the reference's data, 8 bits route as well as 16, which would nearly double the file size.
 */
const WEIGHT_BITS = 8;

/** Number of characteristic n-grams kept per tag. */
const NGRAMS_PER_TAG = 12;

export interface TrainingRequest {
  corpus: Corpus;
  seed: number;
  /** Tags of an earlier map, whose names are reused. */
  knownTags: readonly Pick<DescribedTag, 'name' | 'ngrams'>[];
  /** Stored in the description; not part of the map. */
  command: string;
  /** Stored in the description; not part of the map. */
  date: Date;
  onProgress(stage: string, share: number): void;
  /** Sizes that differ from the defaults. */
  sizes?: Partial<Pick<PipelineOptions, 'latent' | 'kept' | 'tags'>>;
}

export interface TrainedMap {
  /** The map's file. The same corpus and seed give the same bytes on the same machine. */
  bytes: Buffer;
  description: MapDescription;
}

/**
 * Fits a feature map to the prompts of a corpus.
 * @throws Error when there are too few prompts
 */
export function trainLexicalMap(request: TrainingRequest): TrainedMap {
  const { corpus, seed, knownTags, command, date, onProgress, sizes } = request;
  const options = { ...PIPELINE_DEFAULTS, ...sizes, seed, onProgress };
  const { texts } = corpus;
  const { stages, labels, embeddings } = fitPipeline(texts, options);
  onProgress('naming tags', 0);
  const places = placeTags(embeddings, options.kept, labels, options.tags);
  const bytes = encodeMap(quantise(composeMap(stages), places, WEIGHT_BITS));
  return {
    bytes,
    description: {
      sha256: hashOf(bytes),
      command,
      date: date.toISOString(),
      seed,
      prompts: texts.length,
      corpus: describeCorpus(corpus.files),
      tags: describeTags(texts, labels, options.tags, knownTags),
    },
  };
}

/** The tags in the form in which they appear in a map's description. */
export function describeTags(
  texts: readonly string[],
  labels: Int32Array,
  tags: number,
  knownTags: TrainingRequest['knownTags'],
): DescribedTag[] {
  const tellings = tellingNgrams(texts, labels, tags, NGRAMS_PER_TAG);
  const names = nameTags(tellings, knownTags);
  const prompts = new Array<number>(tags).fill(0);
  for (const label of labels) prompts[label]++;
  return tellings.map((ngrams, tag) => ({ name: names[tag], prompts: prompts[tag], ngrams }));
}
