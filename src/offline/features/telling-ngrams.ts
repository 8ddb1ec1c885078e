const WORD = /[\p{L}\p{N}_]{2,}/gu;

/** A word n-gram in fewer texts than this is not used to describe a tag, because it could come from a single prompt. */
const FEWEST_TEXTS = 20;

/**
 * The longest n-gram that is listed, in characters: Chinese is written without blanks, and a whole sentence is not a
 * useful n-gram.
 */
const MAX_CHARACTERS = 24;

/**
 * The word 1–2-grams that are most characteristic of each tag: those with the largest share(in the tag) · ln(share in
 * the tag / share anywhere), where a share is the fraction of texts that contain the n-gram.
 * @returns per tag at most `count` n-grams, the most characteristic first
 */
export function tellingNgrams(texts: readonly string[], labels: Int32Array, tags: number, count: number): string[][] {
  const frequent = new Map([...documentFrequencies(texts)].filter(([, texts]) => texts >= FEWEST_TEXTS));
  const membersOf = Array.from({ length: tags }, (_, tag) => texts.filter((_, i) => labels[i] === tag));
  return membersOf.map((members) => {
    const scored: { ngram: string; score: number }[] = [];
    for (const [ngram, inside] of documentFrequencies(members)) {
      const anywhere = frequent.get(ngram);
      if (anywhere === undefined) continue;
      const share = inside / members.length;
      scored.push({ ngram, score: share * Math.log(share / (anywhere / texts.length)) });
    }
    return scored
      .sort((a, b) => b.score - a.score || (a.ngram < b.ngram ? -1 : 1))
      .slice(0, count)
      .map(({ ngram }) => ngram);
  });
}

function documentFrequencies(texts: readonly string[]): Map<string, number> {
  const frequencies = new Map<string, number>();
  for (const text of texts) {
    for (const ngram of wordNgrams(text)) frequencies.set(ngram, (frequencies.get(ngram) ?? 0) + 1);
  }
  return frequencies;
}

function wordNgrams(text: string): Set<string> {
  const words = text.toLowerCase().match(WORD) ?? [];
  const ngrams = words.flatMap((word, i) => (i === 0 ? [word] : [word, `${words[i - 1]} ${word}`]));
  return new Set(ngrams.filter((ngram) => ngram.length <= MAX_CHARACTERS));
}
