import { type Arm, ratesFor } from '../domain/arm.ts';
import type { InputLength } from '../domain/context.ts';

/**
 * Tokens per UTF-8 byte before anything is known; this prior counts as PRIOR_BYTES of evidence for each kind of
 * characters. Per byte, because tokenisers work on bytes: per character, Chinese has three times as many tokens as
 * English.
 */
export const PRIOR_TOKENS_PER_BYTE = 0.25;
const PRIOR_BYTES = 2000;
/** As much of the newest text counts, in UTF-8 bytes; else years of one kind of traffic would outweigh the present. */
const MOST_BYTES = 1_000_000;
/**
 * Upper limit of the ratio, whatever an upstream reports, because the ratio decides which prompts fit a context window.
 */
export const MAX_TOKENS_PER_BYTE = 1.5;
/** GPT-4o's tokeniser needs 0.18 for English, 0.23 to 0.29 for Chinese and Korean, 0.13 for Russian, 0.11 for Hindi. */
const FEWEST_TOKENS_PER_BYTE: ByKind = { ascii: 0.125, eastAsian: 0.125, other: 0.08 };
/** Weight of the newest answer in the mean service time, so that about the last twenty answers count. */
const SERVICE_SHARE = 0.05;
/** Assumed seconds per answer before the first one is seen. */
const PRIOR_SERVICE_S = 2;

/**
 * False for an upstream that reports so few tokens that it must have cut the prompt: some servers cut what exceeds
 * their window and say nothing (Ollama beyond `num_ctx`). Relied on, such counts would let ever longer prompts pass for
 * short ones.
 */
export function hasReadAll(length: InputLength, tokens: number): boolean {
  const shares = byteShares(length);
  const fewest = KINDS.reduce((sum, kind) => sum + shares[kind] * FEWEST_TOKENS_PER_BYTE[kind], 0);
  return tokens >= fewest * length.inputBytes;
}

/**
 * Tokens per byte that are usual for such text, whatever an arm's own traffic suggests. For other scripts at the lower
 * end, because tokenisers differ most there.
 */
export function usualTokensPerByte(length: InputLength): number {
  const { ascii, eastAsian, other } = byteShares(length);
  return PRIOR_TOKENS_PER_BYTE * (ascii + eastAsian + other / 2);
}

const KINDS = ['ascii', 'eastAsian', 'other'] as const;
type Kind = (typeof KINDS)[number];
/** Something counted by the kind of characters. */
type ByKind = Record<Kind, number>;
const ALL_ASCII: Readonly<ByKind> = { ascii: 1, eastAsian: 0, other: 0 };

/**
 * Shares of a text's bytes; those of an empty text are all ASCII. Exact where other characters take three bytes, as in
 * Hindi and Thai; of those that take two (Cyrillic, Arabic) or four (emoji), a quarter of the bytes is taken for ASCII.
 */
function byteShares({ inputCharacters, inputBytes, inputEastAsianBytes = 0 }: InputLength): Readonly<ByKind> {
  if (inputBytes <= inputCharacters) return ALL_ASCII;
  const eastAsian = inputEastAsianBytes / inputBytes;
  const notAscii = (1.5 * (inputBytes - inputCharacters)) / inputBytes;
  return { ascii: 1 - notAscii, eastAsian, other: notAscii - eastAsian };
}

/** Predicted tokens of an answer, grouped by the price that applies to them. */
export interface PricedTokens {
  input: number;
  cachedInput: number;
  output: number;
}

interface ArmSums {
  /**
   * By kind, because tokenisers that agree on English differ by up to a factor of four on other scripts: what is learned
   * from one kind must not count for the other.
   */
  inputTokens: ByKind;
  inputBytes: ByKind;
  serviceS: number | null;
  /**
   * Sums of predictions for the arm, over decisions in which it was the reference. In tokens, because prices change and
   * are never learned.
   */
  referenceTokens: PricedTokens;
  referenceCount: number;
}

function tokensPerByteOf({ inputTokens, inputBytes }: ArmSums, kind: Kind): number {
  const tokens = PRIOR_TOKENS_PER_BYTE * PRIOR_BYTES + inputTokens[kind];
  return Math.min(MAX_TOKENS_PER_BYTE, tokens / (PRIOR_BYTES + inputBytes[kind]));
}

export type ArmStatisticsState = Record<string, ArmSums>;

/** Running statistics per arm that need no linear model. */
export class ArmStatistics {
  #arms = new Map<string, ArmSums>();

  /**
   * The arm's own ratio, because tokenisers differ; learned from the usage that its upstream reports.
   * @param length of the text: the ratio depends on what kinds of characters it consists of
   */
  tokensPerByte(arm: string, length: InputLength): number {
    return this.#mix(arm, byteShares(length));
  }

  /** Learns the arm's tokens per byte from an answer, unless its upstream read only a part of the prompt. */
  learnInput(arm: string, length: InputLength, tokens: number): void {
    if (!hasReadAll(length, tokens)) return;
    // Else a single absurd count would raise the estimate until many megabytes later.
    const counted = Math.min(tokens, MAX_TOKENS_PER_BYTE * length.inputBytes);
    const shares = byteShares(length);
    // Upstreams do not say which tokens are of which kind, so they are divided as expected.
    const sums = this.#sums(arm);
    const perExpected = counted / this.#mix(arm, shares);
    for (const kind of KINDS) {
      sums.inputTokens[kind] += shares[kind] * tokensPerByteOf(sums, kind) * perExpected;
      sums.inputBytes[kind] += shares[kind] * length.inputBytes;
      const kept = Math.min(1, MOST_BYTES / sums.inputBytes[kind]);
      sums.inputBytes[kind] *= kept;
      sums.inputTokens[kind] *= kept;
    }
  }

  /** Tokens per byte of a text with these shares. */
  #mix(arm: string, shares: Readonly<ByKind>): number {
    const sums = this.#sums(arm);
    return KINDS.reduce((total, kind) => total + shares[kind] * tokensPerByteOf(sums, kind), 0);
  }

  /** Mean seconds that the upstream works on an answer, without the wait for its turn. */
  serviceSeconds(arm: string): number {
    return this.#sums(arm).serviceS ?? PRIOR_SERVICE_S;
  }

  /**
   * The wait is taken off, because the expected wait is the queue times the service time: it would count twice, so a
   * queue would seem the longer, the longer it had been.
   * @param seconds from the call to the end of the answer
   * @param queued how long the call waited for its turn, in units of the service time
   */
  learnService(arm: string, seconds: number, queued = 0): void {
    const sums = this.#sums(arm);
    const serviceS = seconds / (1 + queued);
    sums.serviceS = sums.serviceS === null ? serviceS : sums.serviceS + SERVICE_SHARE * (serviceS - sums.serviceS);
  }

  /**
   * c_ref: the mean predicted cost of the reference arm at its current prices. The mean is over all queries, not only
   * those that the reference answered, which are the hard ones.
   * @param here its predicted cost for the current query, which counts as one more observation; null if it is not on
   * offer
   * @returns USD; 0 when nothing is known
   */
  referenceCost({ id, price }: Pick<Arm, 'id' | 'price'>, here: number | null): number {
    const { referenceTokens, referenceCount } = this.#sums(id);
    const { input, cachedInput, output } = referenceTokens;
    // The sums do not tell which prompts were long, so all count as long if they are on average.
    const rates = ratesFor(price, (input + cachedInput) / Math.max(1, referenceCount));
    const usd = (input * rates.input + cachedInput * rates.cachedInput + output * rates.output) / 1e6;
    const count = referenceCount + Number(here !== null);
    return count === 0 ? 0 : (usd + (here ?? 0)) / count;
  }

  /**
   * Adds a prediction for the reference arm.
   * @param tokens predicted tokens of one choice
   */
  learnReference(arm: string, { input, cachedInput, output }: PricedTokens): void {
    const sums = this.#sums(arm);
    const { referenceTokens } = sums;
    referenceTokens.input += input;
    referenceTokens.cachedInput += cachedInput;
    referenceTokens.output += output;
    sums.referenceCount++;
  }

  forget(arm: string): void {
    this.#arms.delete(arm);
  }

  state(): ArmStatisticsState {
    return Object.fromEntries(this.#arms);
  }

  restore(state: ArmStatisticsState): void {
    this.#arms = new Map(Object.entries(state));
  }

  #sums(arm: string): ArmSums {
    let sums = this.#arms.get(arm);
    if (!sums) {
      sums = {
        inputTokens: { ascii: 0, eastAsian: 0, other: 0 },
        inputBytes: { ascii: 0, eastAsian: 0, other: 0 },
        serviceS: null,
        referenceTokens: { input: 0, cachedInput: 0, output: 0 },
        referenceCount: 0,
      };
      this.#arms.set(arm, sums);
    }
    return sums;
  }
}
