/** A kind of query. */
export interface Tag {
  /** 0 … tags − 1; has no meaning under another feature map. */
  id: number;
  /** Human-readable name, e.g. "grade-school maths". Tags that people would not tell apart may share a name. */
  name: string;
}

export interface TagPlaces {
  /** tags × dimensions, row-major. */
  centroids: Float32Array;
  /** Weight of the squared distance along each dimension. */
  precisions: Float32Array;
  tagNames: readonly string[];
}

/** Names the kind of a query from its embedding: the tag with the nearest centroid. */
export class Tagger {
  readonly #places: TagPlaces;

  constructor(places: TagPlaces) {
    this.#places = places;
  }

  /**
   * @param vector a vector from the embedder for which the tags were found
   * @throws RangeError when it has other dimensions
   */
  tag(vector: Float32Array): Tag {
    const { centroids, precisions, tagNames } = this.#places;
    if (vector.length !== precisions.length) {
      throw new RangeError(`A vector of ${precisions.length} numbers is needed, not of ${vector.length}.`);
    }
    let id = 0;
    let nearest = Number.POSITIVE_INFINITY;
    for (let tag = 0, start = 0; start < centroids.length; tag++, start += vector.length) {
      let distance = 0;
      for (let k = 0; k < vector.length; k++) distance += precisions[k] * (vector[k] - centroids[start + k]) ** 2;
      if (distance < nearest) {
        nearest = distance;
        id = tag;
      }
    }
    return { id, name: tagNames[id] };
  }
}
