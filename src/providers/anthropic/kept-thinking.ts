import type { JsonObject } from '../../domain/chat.ts';
import { stringOf } from '../../util/string-of.ts';
import { type ThinkingBlock, thinkingBlocks } from './thinking-blocks.ts';

interface KeptBlock {
  type: string;
  text: string[];
  signature: string;
  data: string;
}

/** Approximate bytes that a block takes in addition to its text. */
const OVERHEAD_OF_BLOCK = 256;

/** Thinking blocks of a stream, kept until they can be sent whole, because no client could assemble them from parts. */
export class KeptThinking {
  /** By block index, in order of arrival. */
  readonly #blocks = new Map<unknown, KeptBlock>();
  #bytes = 0;

  /** Approximate number of bytes kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Notes that a block has begun. Its text may follow by `add`. */
  begin(index: unknown, { type, signature, data }: JsonObject): void {
    this.#blocks.set(index, { type: stringOf(type), text: [], signature: '', data: stringOf(data) });
    this.#bytes += OVERHEAD_OF_BLOCK + stringOf(data).length;
    this.add(index, '', stringOf(signature));
  }

  /** Adds to a block; does nothing for a block that is not kept. */
  add(index: unknown, text: string, signature: string): void {
    const block = this.#blocks.get(index);
    if (!block) return;
    if (text !== '') block.text.push(text);
    block.signature += signature;
    this.#bytes += 2 * text.length + signature.length;
  }

  /** Returns the blocks that Anthropic would accept back, in order, and drops all blocks. */
  take(): ThinkingBlock[] {
    const kept = [...this.#blocks.values()];
    this.#blocks.clear();
    this.#bytes = 0;
    return thinkingBlocks(kept.map(({ text, ...block }) => ({ ...block, thinking: text.join('') })));
  }
}
