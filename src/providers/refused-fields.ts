/**
 * By model: request fields, or features of messages, that the model was found to refuse. Kept until the process ends.
 */
export class RefusedFields {
  readonly #byModel = new Map<string, ReadonlySet<string>>();

  /** Returns a copy, which the caller may change. */
  of(model: string): Set<string> {
    return new Set(this.#byModel.get(model));
  }

  add(model: string, fields: readonly string[]): void {
    if (fields.length > 0) this.#byModel.set(model, new Set([...this.of(model), ...fields]));
  }
}
