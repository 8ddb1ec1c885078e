import {
  generatedBytes,
  isJsonObject,
  type JsonObject,
  tokenCount,
  toolCallIds,
  type Usage,
} from '../../domain/chat.ts';
import { UpstreamError } from '../../domain/errors.ts';
import { type RawSseEvent, SSE_DONE, sseData } from '../../util/sse.ts';
import { stringOf } from '../../util/string-of.ts';
import { MAX_BYTES, tooLarge } from '../answer-limit.ts';
import type { AnswerFacts, StreamPiece } from '../provider.ts';
import { readUsage, toFinishReason, toOpenAIUsage } from './answer.ts';
import { toFailure } from './error.ts';
import { KeptThinking } from './kept-thinking.ts';
import { messageEvents } from './message-events.ts';
import { THINKING_BLOCKS } from './thinking-blocks.ts';

export interface StreamTranslatorOptions {
  /** Unix time in seconds, the same in every chunk. */
  created: number;
  /** Whether the client asked for the final chunk with the usage. */
  includeUsage: boolean;
  /** Maximum number of bytes kept for open blocks; absent: the limit of a whole answer. */
  mostBytes?: number;
}

/** A tool_use block that is still being streamed. */
interface OpenTool {
  /** OpenAI numbers only the tool calls, Anthropic all blocks. */
  index: number;
  /** Arguments to send at the end of the block; null once some of them have arrived as a delta. */
  whole: string | null;
  /** Approximate number of bytes that it takes. */
  held: number;
}

/** The usage fields that are passed on. Others are not kept, because an upstream may send any number of them. */
const COUNTS = new Set([
  'input_tokens',
  'output_tokens',
  'cache_read_input_tokens',
  'cache_creation_input_tokens',
  'cache_creation',
  'output_tokens_details',
]);
/** Maximum characters of an id or a model's name, because both are repeated in every chunk. */
const MAX_NAME_CHARACTERS = 512;
/** Bytes that an open tool takes in addition to its arguments. */
const OVERHEAD_OF_TOOL = 256;

/** For events of which the client gets nothing, but which still show that the upstream is alive. */
const SILENT: StreamPiece = { bytes: new Uint8Array(0), content: false };

/** Turns the events of one Anthropic stream into chat completion chunks. Pure: no clock, no I/O. */
export class StreamTranslator {
  readonly #options: StreamTranslatorOptions;
  readonly #tools = new Map<unknown, OpenTool>();
  readonly #thinking = new KeptThinking();
  /** Bytes of all open tools. */
  #held = 0;
  #toolCount = 0;
  #thinkingCount = 0;
  #id = '';
  #model = '';
  /** Counts from message_start, overwritten by the cumulative counts from message_delta. */
  #usage: JsonObject = {};
  /** Whether the output has been counted since message_start, which counts only the first token. */
  #isCounted = false;
  #finishReason: string | null = null;
  /** True once the role was sent. */
  #opened = false;
  /** True once text or a tool call was sent. */
  #answered = false;
  #finished = false;

  constructor(options: StreamTranslatorOptions) {
    this.#options = options;
  }

  /**
   * @throws UpstreamError `interrupted` for an error event, `unreadable` for data that is not a JSON object
   */
  push(event: RawSseEvent): StreamPiece[] {
    const pieces = messageEvents(event).flatMap((each) => this.#translate(each));
    return pieces.length > 0 ? pieces : [SILENT];
  }

  /**
   * Returns what is left to send when the upstream has closed the stream; some servers close it after the stop reason.
   * @throws UpstreamError `interrupted` when the answer has not ended
   */
  end(): StreamPiece[] {
    if (this.#finished) return [];
    if (this.#finishReason !== null) return this.#stop();
    throw new UpstreamError('interrupted', "The upstream's stream ended before the answer did.");
  }

  #translate(event: JsonObject): StreamPiece[] {
    switch (event.type) {
      case 'message_start':
        return this.#start(objectOf(event.message));
      case 'content_block_start':
        return this.#startBlock(event.index, objectOf(event.content_block));
      case 'content_block_delta':
        return this.#delta(event.index, objectOf(event.delta));
      case 'content_block_stop':
        return this.#stopBlock(event.index);
      case 'message_delta':
        this.#addUsage(event.usage);
        this.#isCounted ||= (tokenCount(objectOf(event.usage).output_tokens) ?? 0) > 0;
        return this.#finish(objectOf(event.delta).stop_reason);
      case 'message_stop':
        return this.#stop();
      case 'error':
        throw toFailure(event, 'interrupted');
      default:
        return [];
    }
  }

  #start(message: JsonObject): StreamPiece[] {
    this.#id = stringOf(message.id).slice(0, MAX_NAME_CHARACTERS);
    this.#model = stringOf(message.model).slice(0, MAX_NAME_CHARACTERS);
    this.#addUsage(message.usage);
    // From here on the input is paid for, whether or not the client stays until the end.
    const facts: Partial<AnswerFacts> = {
      completionId: this.#id || null,
      servedModel: this.#model || null,
      usage: readUsage(this.#usage),
    };
    return [{ ...SILENT, ...facts }];
  }

  /**
   * The chunk with the role, which precedes everything else.
   * @param content as in a whole answer: null unless text comes first
   */
  #opening(content: '' | null): StreamPiece[] {
    if (this.#opened) return [];
    this.#opened = true;
    return [{ ...this.#chunk({ role: 'assistant', content }), content: false }];
  }

  /**
   * Adds empty text if there is no other content: OpenAI rejects a conversation that contains an answer whose content
   * is null, unless that answer calls tools.
   */
  #emptyText(): StreamPiece[] {
    if (!this.#opened) return this.#opening('');
    return this.#answered ? [] : [{ ...this.#chunk({ content: '' }), content: false }];
  }

  #startBlock(index: unknown, block: JsonObject): StreamPiece[] {
    if (block.type === 'thinking' || block.type === 'redacted_thinking') {
      this.#thinking.begin(index, block);
      this.#checkHeld();
      return this.#text(index, block);
    }
    return [
      ...this.#tellThinking(),
      ...(block.type === 'tool_use' ? this.#startTool(index, block) : this.#text(index, block)),
    ];
  }

  #startTool(index: unknown, block: JsonObject): StreamPiece[] {
    const whole = JSON.stringify(block.input ?? {});
    const tool: OpenTool = { index: this.#toolCount++, whole, held: whole.length + OVERHEAD_OF_TOOL };
    this.#close(index);
    this.#tools.set(index, tool);
    this.#held += tool.held;
    this.#checkHeld();
    this.#answered = true;
    const call = { index: tool.index, id: block.id, type: 'function', function: { name: block.name, arguments: '' } };
    const begun = { ...this.#chunk({ tool_calls: [call] }), toolCallIds: toolCallIds({ tool_calls: [call] }) };
    return [...this.#opening(null), begun];
  }

  #delta(index: unknown, delta: JsonObject): StreamPiece[] {
    if (delta.type === 'signature_delta') {
      this.#thinking.add(index, '', stringOf(delta.signature));
      this.#checkHeld();
    }
    if (delta.type !== 'input_json_delta') return this.#text(index, delta);
    const tool = this.#tools.get(index);
    const part = stringOf(delta.partial_json);
    if (!tool || part === '') return [];
    tool.whole = null;
    return [this.#arguments(tool, part)];
  }

  /**
   * Handles text from the start of a block or from a delta. Citations and server tools have no equivalent in OpenAI's
   * format.
   */
  #text(index: unknown, source: JsonObject): StreamPiece[] {
    const isThinking = source.type === 'thinking' || source.type === 'thinking_delta';
    const isText = source.type === 'text' || source.type === 'text_delta';
    if (!isThinking && !isText) return [];
    const opening = this.#opening(isText ? '' : null);
    const text = stringOf(isText ? source.text : source.thinking);
    this.#answered ||= isText && (text !== '' || opening.length > 0);
    if (isThinking) {
      this.#thinking.add(index, text, '');
      this.#checkHeld();
    }
    if (text === '') return opening;
    return [...opening, this.#chunk(isText ? { content: text } : { reasoning_content: text })];
  }

  #stopBlock(index: unknown): StreamPiece[] {
    const tool = this.#close(index);
    return tool?.whole ? [this.#arguments(tool, tool.whole)] : [];
  }

  #close(index: unknown): OpenTool | undefined {
    const tool = this.#tools.get(index);
    this.#tools.delete(index);
    this.#held -= tool?.held ?? 0;
    return tool;
  }

  #checkHeld(): void {
    if (this.#held + this.#thinking.bytes <= (this.#options.mostBytes ?? MAX_BYTES)) return;
    throw tooLarge("The upstream's output of unfinished tool calls and thinking");
  }

  /**
   * Sends consecutive thinking blocks whole and all at once: OpenAI's SDK for Python concatenates items that have an
   * `index`, while the one for JavaScript keeps only the last. The chunk does not count as content, so another model
   * may still answer.
   */
  #tellThinking(): StreamPiece[] {
    const blocks = this.#thinking.take();
    if (blocks.length === 0) return [];
    const told = blocks.map((block) => ({ index: this.#thinkingCount++, ...block }));
    return [...this.#opening(null), { ...this.#chunk({ [THINKING_BLOCKS]: told }), content: false }];
  }

  #finish(stopReason: unknown): StreamPiece[] {
    if (typeof stopReason !== 'string' || this.#finishReason !== null) return [];
    this.#finishReason = toFinishReason(stopReason);
    const facts: Partial<AnswerFacts> = { finishReason: this.#finishReason, usage: this.#wholeUsage() };
    return [
      ...this.#tellThinking(),
      ...this.#emptyText(),
      { ...this.#chunk({}, this.#finishReason), content: false, ...facts },
    ];
  }

  #stop(): StreamPiece[] {
    this.#finished = true;
    const pieces = this.#finish('end_turn');
    // The client gets what the upstream reported, even if it cannot be complete.
    const usage = readUsage(this.#usage);
    if (usage && this.#options.includeUsage) {
      const chunk = { ...this.#frame(), choices: [], usage: toOpenAIUsage(usage, this.#usage) };
      pieces.push({ bytes: sseData(chunk), content: false, usage: this.#wholeUsage() });
    }
    pieces.push({ bytes: SSE_DONE, content: false, done: true, usage: this.#wholeUsage() });
    return pieces;
  }

  /** Null if the upstream did not count the whole output. */
  #wholeUsage(): Usage | null {
    return this.#isCounted ? readUsage(this.#usage) : null;
  }

  #arguments(tool: OpenTool, part: string): StreamPiece {
    return this.#chunk({ tool_calls: [{ index: tool.index, function: { arguments: part } }] });
  }

  #chunk(delta: JsonObject, finishReason: string | null = null): StreamPiece {
    const choice = { index: 0, delta, logprobs: null, finish_reason: finishReason };
    const bytes = sseData({ ...this.#frame(), choices: [choice] });
    return { bytes, content: true, generatedBytes: generatedBytes(delta) };
  }

  #frame(): JsonObject {
    return { id: this.#id, object: 'chat.completion.chunk', created: this.#options.created, model: this.#model };
  }

  #addUsage(usage: unknown): void {
    for (const [name, value] of Object.entries(objectOf(usage))) {
      // Counts only rise in a stream, but some servers end with a 0 for an input count that they reported before.
      const isTakenBack = value === 0 && this.#usage[name] !== undefined;
      if (value !== null && COUNTS.has(name) && !isTakenBack) this.#usage[name] = value;
    }
  }
}

function objectOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}
