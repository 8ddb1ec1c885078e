/** Usual ids have some 30 characters. A suffix added to make an id unique is not counted. */
const MAX_CHARACTERS = 190;

/**
 * Maps ids of tool calls to ids that Anthropic accepts: consisting of the characters that it allows, and unique in a
 * conversation. Other vendors' ids may contain other characters, and some models restart their numbering in every turn.
 * A result gets the id of the last call before it that had the same original id.
 */
export class ToolUseIds {
  readonly #given = new Map<string, string>();
  readonly #uses = new Map<string, number>();

  ofCall(id: string): string {
    const base = allowed(id);
    let given = base;
    for (let uses = this.#uses.get(given) ?? 0; uses > 0; uses = this.#uses.get(given) ?? 0) {
      this.#uses.set(base, (this.#uses.get(base) ?? 0) + 1);
      given = `${base}_${this.#uses.get(base)}`;
    }
    this.#uses.set(given, 1);
    this.#given.set(id, given);
    return given;
  }

  ofResult(id: string): string {
    return this.#given.get(id) ?? allowed(id);
  }
}

function allowed(id: string): string {
  return id.slice(0, MAX_CHARACTERS).replace(/[^a-zA-Z0-9_-]/g, '_');
}
