/** How often the gateway chose a model for a tag, according to its own counter. */
export interface TagCount {
  tag: string;
  model: string;
  decisions: number;
}

export interface TagShares {
  /** Decisions per tag, the most frequent first. */
  queries_by_tag: Record<string, number>;
  /** Per tag, in the same order: the share of each model; models that were never chosen are listed with 0. */
  shares_by_tag: Record<string, Record<string, number>>;
}

/** Which model got which kind of query. */
export function sharesByTag(models: readonly string[], counts: readonly TagCount[]): TagShares {
  const byTag = Object.groupBy(counts, ({ tag }) => tag);
  const tags = Object.entries(byTag)
    .map(([tag, own = []]) => ({ tag, own, queries: sum(own) }))
    .sort((a, b) => b.queries - a.queries || (a.tag < b.tag ? -1 : 1));
  return {
    queries_by_tag: Object.fromEntries(tags.map(({ tag, queries }) => [tag, queries])),
    shares_by_tag: Object.fromEntries(
      tags.map(({ tag, own, queries }) => [
        tag,
        Object.fromEntries(models.map((name) => [name, sum(own.filter(({ model }) => model === name)) / queries])),
      ]),
    ),
  };
}

/**
 * The most frequent tags, with all others merged into one row whose name gives their number.
 * @param rows maximum number of rows, including the merged one; at least 2
 */
export function topTags({ queries_by_tag, shares_by_tag }: TagShares, rows: number): TagShares {
  const tags = Object.keys(queries_by_tag);
  if (tags.length <= rows) return { queries_by_tag, shares_by_tag };
  const others = tags.slice(rows - 1);
  const name = (tag: string) => (others.includes(tag) ? `${others.length} other tags` : tag);
  const models = Object.keys(shares_by_tag[tags[0]]);
  const counts = tags.flatMap((tag) =>
    models.map((model) => ({ tag, model, decisions: queries_by_tag[tag] * shares_by_tag[tag][model] })),
  );
  const merged = sharesByTag(
    models,
    counts.map((count) => ({ ...count, tag: name(count.tag) })),
  );
  // The merged row comes last, however large it is.
  const order = [...tags.slice(0, rows - 1), name(others[0])];
  const inOrder = <T>(record: Record<string, T>) => Object.fromEntries(order.map((tag) => [tag, record[tag]]));
  return { queries_by_tag: inOrder(merged.queries_by_tag), shares_by_tag: inOrder(merged.shares_by_tag) };
}

function sum(counts: readonly TagCount[]): number {
  return counts.reduce((total, { decisions }) => total + decisions, 0);
}
