/** Ids are some 30 characters. */
const MAX_CHARACTERS = 200;

/**
 * Ids of tool calls as Anthropic takes them: of its own characters, and each once in a conversation. Other vendors' ids may
 * hold more characters, and some models number the calls of every turn anew. A result has the id of the last call before it
 * that bore its own.
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
