import { hash, randomBytes } from 'node:crypto';
import { type Arm, upstreamOf } from '../domain/arm.ts';
import type { ChatMessage, Usage } from '../domain/chat.ts';
import type { Provider } from '../providers/provider.ts';
import { type CountedInput, type InputSize, isPlausibleCount } from '../routing/eligibility.ts';
import type { StayWith } from '../routing/route-query.ts';
import type { Clock } from '../util/clock.ts';
import { SharedCache } from '../util/shared-cache.ts';
import { identityOf } from './message-identity.ts';

/**
 * `off`: no arm is remembered. `price`: the part of a conversation that is in an arm's prompt cache is priced as cached
 * input. `strict`: as `price`, and the arm that answered keeps answering.
 */
export type Stickiness = 'off' | 'price' | 'strict';

/** How many sessions, prefixes and tool calls are remembered; each limit covers all keys together. */
const CAPACITY = 20_000;
/**
 * How long a prompt cache is kept after its last use: Anthropic's default, and the shortest time that OpenAI documents.
 */
export const CACHE_LIFETIME_MS = 300_000;
/** Shorter prompts are not cached automatically (OpenAI), unless an upstream reports that it caches them. */
const MIN_CACHED_TOKENS = 1024;

/** Longer conversations are not recognised: hashing every message would delay other requests. */
const MAX_MESSAGES = 2000;
/**
 * The maximum number of tool calls in an answer, or of tool results in a request, that are looked at. A million of them
 * once blocked all requests for half a minute.
 */
const MAX_TOOL_CALLS = 256;

/** Identifies the conversation that a request belongs to. */
export interface Turn {
  /** Name of the gateway key, so that no two keys ever share a conversation; null when the gateway requires no key. */
  key: string | null;
  sessionId: string | null;
  messages: readonly ChatMessage[];
  /** Size of the whole input, tools included; absent: the next request's input is estimated as a whole. */
  size?: InputSize;
  /** Whether the client has marked the conversation for Anthropic's prompt cache; absent: no. */
  bearsMarks?: boolean;
}

/** What routing needs to know about the conversation. */
export interface Recollection {
  stayWith: StayWith | null;
  /** Per upstream of an arm (`upstreamOf`): the input tokens that it will probably read from its prompt cache. */
  cachedTokens: ReadonlyMap<string, number>;
  /** Per upstream of an arm: the longest part of the conversation whose tokens it is known to have counted. */
  countedInput: ReadonlyMap<string, CountedInput>;
  /** Input tokens of the conversation that an arm would have cached if it had answered all of it so far. */
  cacheable: {
    /** By an upstream that caches any long prompt. */
    all: number;
    /** By one that caches only what is marked. */
    marked: number;
  };
}

/** Records that an arm has answered a request with exactly these messages. */
interface Answered {
  arm: string;
  /** As returned by `upstreamOf`. Kept because the arm may move to another upstream, which has nothing cached. */
  upstream: string;
  session: string | null;
  /** How many tokens of these messages the upstream has cached, and since when (monotonic milliseconds). */
  tokens: number;
  at: number;
  /** How many of them an upstream would have cached that caches only what is marked. */
  markedTokens: number;
  /** The whole input, as the upstream counted it; null if it did not, or not plausibly. */
  counted: CountedInput | null;
}

/**
 * Remembers which arm answered what. Kept only in this process: after a restart, the next answer establishes it again.
 */
export class Conversations {
  readonly #clock: Clock;
  /** Random per process, so that digests cannot be compared with hashes of guessed texts. */
  readonly #salt = randomBytes(16).toString('base64');
  /** The latest arm of each `x-session-id`. */
  readonly sessions = new SharedCache<string>(CAPACITY);
  /** By the digest of a request's messages: the arms that answered it, the latest last. */
  readonly prefixes = new SharedCache<readonly Answered[]>(CAPACITY);
  /** The arm that made each tool call, both by the call's id alone and by its id combined with the request's digest. */
  readonly toolCalls = new SharedCache<string>(CAPACITY);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Returns the conversation that the request belongs to.
   * @param promptCache returns how the arm's upstream caches prompts
   */
  of(turn: Turn, stickiness: Stickiness, promptCache: (arm: Arm) => Provider['promptCache']): Conversation {
    return new Conversation(this, turn, { stickiness, promptCache, salt: this.#salt, clock: this.#clock });
  }
}

interface Terms {
  stickiness: Stickiness;
  promptCache(arm: Arm): Provider['promptCache'];
  salt: string;
  clock: Clock;
}

/** The conversation that a request belongs to: what is known about it, and what the answer adds. */
export class Conversation {
  readonly #memory: Conversations;
  readonly #turn: Turn;
  readonly #terms: Terms;
  #digests: string[] | null = null;
  /** Number of tool calls in the answer so far. */
  #calls = 0;

  constructor(memory: Conversations, turn: Turn, terms: Terms) {
    this.#memory = memory;
    this.#turn = turn;
    this.#terms = terms;
  }

  recall(): Recollection {
    const cachedTokens = new Map<string, number>();
    const countedInput = new Map<string, CountedInput>();
    const cacheable = { all: 0, marked: 0 };
    const prefixes = this.#isKnowable() ? this.#knownPrefixes() : [];
    for (const { upstream, tokens, counted, markedTokens } of prefixes.flatMap(({ answers }) =>
      answers.filter(this.#isFresh),
    )) {
      // Longer prefixes come first, so the first entry of each upstream is the longest.
      if (tokens > 0 && !cachedTokens.has(upstream)) cachedTokens.set(upstream, tokens);
      if (counted && !countedInput.has(upstream)) countedInput.set(upstream, counted);
      cacheable.all = Math.max(cacheable.all, tokens, counted?.tokens ?? 0);
      cacheable.marked = Math.max(cacheable.marked, markedTokens);
    }
    return { stayWith: this.#caller() ?? this.#partner(prefixes[0]), cachedTokens, countedInput, cacheable };
  }

  /** Notes that the arm has begun to answer. */
  answeredBy(arm: Arm): void {
    if (this.#terms.stickiness === 'off') return;
    if (this.#turn.sessionId !== null) this.#memory.sessions.set(this.#sessionKey(), arm.id, this.#turn.key);
    if (this.#terms.stickiness === 'strict') this.#remember(arm, 0);
  }

  /** Notes the usage that the arm's upstream reported. */
  used(arm: Arm, usage: Usage): void {
    if (this.#terms.stickiness === 'off') return;
    const tokens = heldTokens(usage, this.#terms.promptCache(arm));
    const { size } = this.#turn;
    const isCounted = size !== undefined && isPlausibleCount(size, usage.inputTokens);
    const counted = isCounted ? { tokens: usage.inputTokens, size } : null;
    // Most requests are short and have nothing cached; entries for them would evict useful ones.
    if (tokens > 0 || usage.inputTokens >= MIN_CACHED_TOKENS) this.#remember(arm, tokens, counted);
  }

  /** Notes that the arm's answer calls tools. */
  called(arm: Arm, ids: readonly string[]): void {
    const room = Math.max(0, MAX_TOOL_CALLS - this.#calls);
    this.#calls += ids.length;
    for (const id of ids.slice(0, room)) {
      this.#memory.toolCalls.set(this.#callKey(id), arm.id, this.#turn.key);
      this.#memory.toolCalls.set(this.#callKey(id, this.#digestsOf().length), arm.id, this.#turn.key);
    }
  }

  /**
   * Whether anything can be known about the conversation. Without a session id, the messages must contain an earlier
   * answer, because unrelated conversations often begin with the same request.
   */
  #isKnowable(): boolean {
    if (this.#terms.stickiness === 'off') return false;
    return this.#turn.sessionId !== null || this.#turn.messages.some(isAnswer);
  }

  /** The earlier requests that this one continues, the longest first. */
  #knownPrefixes(): { messages: number; answers: readonly Answered[] }[] {
    const found = this.#digestsOf().map((digest, i) => ({
      messages: i + 1,
      answers: this.#memory.prefixes.get(digest, this.#turn.key) ?? [],
    }));
    return found.filter(({ answers }) => answers.length > 0).reverse();
  }

  /** Whether a prompt cache would still hold what was answered then. */
  readonly #isFresh = ({ at }: Answered): boolean => this.#terms.clock.monotonic() - at < CACHE_LIFETIME_MS;

  /**
   * The arm whose tool calls are answered by the results at the end of the messages. A user message may follow the
   * results, as with screenshots.
   */
  #caller(): StayWith | null {
    const { messages } = this.#turn;
    const asked = messages.findLastIndex(isAnswer) + 1;
    const results = messages.slice(asked).filter(isResult).slice(0, MAX_TOOL_CALLS);
    if (results.length === 0) return null;
    const ids = results.flatMap(({ tool_call_id: id }) => (typeof id === 'string' ? [id] : []));
    // Some servers number their calls from 0 in every answer, so the id combined with its request takes precedence over
    // the id alone.
    const keys = [...ids.map((id) => this.#callKey(id, asked - 1)), ...ids.map((id) => this.#callKey(id))];
    const arm = keys
      .map((key) => this.#memory.toolCalls.get(key, this.#turn.key))
      .find((caller) => caller !== undefined);
    const session =
      this.#terms.stickiness === 'off' ? undefined : this.#memory.sessions.get(this.#sessionKey(), this.#turn.key);
    const caller = arm ?? session;
    return caller === undefined ? null : { arm: caller, as: 'tool_calls' };
  }

  /**
   * The arm that the conversation should stay with.
   * @param prefix the longest known prefix
   */
  #partner(prefix: { messages: number; answers: readonly Answered[] } | undefined): StayWith | null {
    if (this.#terms.stickiness !== 'strict') return null;
    const { sessionId, messages } = this.#turn;
    if (sessionId !== null) {
      const latest = this.#memory.sessions.get(this.#sessionKey(), this.#turn.key);
      if (latest === undefined) return null;
      // Sub-agents and requests for a title have the id of the session, but not the messages.
      const own = messages.some(isAnswer) ? prefix?.answers.findLast((answer) => answer.session === sessionId) : null;
      return { arm: own?.arm ?? latest, as: 'session' };
    }
    const arm = prefix?.answers.at(-1)?.arm;
    if (!prefix || arm === undefined) return null;
    // Two arms answered this same first request, so it is shared by several conversations that look alike.
    const isShared = prefix.answers.length > 1 && !messages.slice(0, prefix.messages).some(isAnswer);
    return isShared ? null : { arm, as: 'session' };
  }

  #remember(arm: Arm, tokens: number, counted: CountedInput | null = null): void {
    const digest = this.#digestsOf().at(-1);
    if (digest === undefined) return;
    const before = this.#memory.prefixes.get(digest, this.#turn.key) ?? [];
    const upstream = upstreamOf(arm);
    const session = this.#turn.sessionId;
    const markedTokens = this.#terms.promptCache(arm) === 'marked' || this.#turn.bearsMarks ? tokens : 0;
    const at = this.#terms.clock.monotonic();
    // A call that has only begun says nothing of what the upstream holds from an earlier one.
    const earlier = tokens > 0 || counted ? undefined : before.find((other) => other.upstream === upstream);
    const answered = { arm: arm.id, upstream, session, tokens, at, markedTokens, counted, ...held(earlier) };
    this.#memory.prefixes.set(digest, [...before.filter((other) => other.arm !== arm.id), answered], this.#turn.key);
  }

  #sessionKey(): string {
    return JSON.stringify([this.#turn.key, this.#turn.sessionId]);
  }

  /** @param messages number of messages in the request that the call answered; if omitted, any request */
  #callKey(id: string, messages?: number): string {
    const digest = messages === undefined ? null : (this.#digestsOf()[messages - 1] ?? null);
    // The ids are hashed because upstreams choose them, and they may be long.
    return hash('sha256', JSON.stringify([this.#turn.key, digest, id]), 'base64');
  }

  /**
   * The digests of the first message, of the first two, and so on, each computed from the previous digest and the next
   * message. Empty when there are too many messages.
   */
  #digestsOf(): readonly string[] {
    if (this.#turn.messages.length > MAX_MESSAGES) return [];
    if (!this.#digests) {
      let digest = JSON.stringify([this.#terms.salt, this.#turn.key]);
      this.#digests = this.#turn.messages.map((message) => {
        digest = hash('sha256', `${digest}\n${identityOf(message)}`, 'base64');
        return digest;
      });
    }
    return this.#digests;
  }
}

/** What is remembered of an upstream's cache; nothing without an earlier answer. */
function held(earlier: Answered | undefined): Partial<Answered> {
  if (!earlier) return {};
  const { tokens, at, markedTokens, counted } = earlier;
  return { tokens, at, markedTokens, counted };
}

/** Number of prompt tokens that the upstream has in its cache after the answer. */
function heldTokens(usage: Usage, promptCache: Provider['promptCache']): number {
  const { inputTokens, cachedInputTokens, cacheWriteTokens } = usage;
  if (promptCache === 'marked') return cachedInputTokens + cacheWriteTokens;
  return inputTokens >= MIN_CACHED_TOKENS || cachedInputTokens > 0 ? inputTokens : 0;
}

function isAnswer({ role }: ChatMessage): boolean {
  return role === 'assistant';
}

/** The result of a tool call, or of a function call, the earlier name for tool calls. */
function isResult({ role }: ChatMessage): boolean {
  return role === 'tool' || role === 'function';
}
