import type { Arm } from '../domain/arm.ts';

/**
 * Tokens per UTF-8 byte before anything is known; this prior counts as PRIOR_BYTES of evidence. Per byte, because
 * tokenisers work on bytes: per character, Chinese has three times as many tokens as English.
 */
export const PRIOR_TOKENS_PER_BYTE = 0.25;
const PRIOR_BYTES = 2000;
/**
 * Upper limit of the ratio, whatever an upstream reports, because the ratio decides which prompts fit a context window.
 */
export const MAX_TOKENS_PER_BYTE = 1.5;
const FEWEST_TOKENS_PER_BYTE = PRIOR_TOKENS_PER_BYTE / 2;
/** Weight of the newest answer in the mean service time, so that about the last twenty answers count. */
const SERVICE_SHARE = 0.05;
/** Assumed seconds per answer before the first one is seen. */
const PRIOR_SERVICE_S = 2;

/**
 * False for an upstream that reports so few tokens that it must have cut the prompt: some servers cut what exceeds
 * their window and say nothing (Ollama beyond `num_ctx`). Relied on, such counts would let ever longer prompts pass for
 * short ones.
 */
export function hasReadAll(bytes: number, tokens: number): boolean {
  return tokens >= FEWEST_TOKENS_PER_BYTE * bytes;
}

/** Predicted tokens of an answer, grouped by the price that applies to them. */
export interface PricedTokens {
  input: number;
  cachedInput: number;
  output: number;
}

interface ArmSums {
  inputTokens: number;
  inputBytes: number;
  serviceS: number | null;
  /**
   * Sums of predictions for the arm, over decisions in which it was the reference. In tokens, because prices change and
   * are never learned.
   */
  referenceTokens: PricedTokens;
  referenceCount: number;
}

export type ArmStatisticsState = Record<string, ArmSums>;

/** Running statistics per arm that need no linear model. */
export class ArmStatistics {
  #arms = new Map<string, ArmSums>();

  /** The arm's own ratio, because tokenisers differ; learned from the usage that its upstream reports. */
  tokensPerByte(arm: string): number {
    const { inputTokens, inputBytes } = this.#sums(arm);
    const ratio = (PRIOR_TOKENS_PER_BYTE * PRIOR_BYTES + inputTokens) / (PRIOR_BYTES + inputBytes);
    return Math.min(MAX_TOKENS_PER_BYTE, ratio);
  }

  /** Learns the arm's tokens per byte from an answer, unless its upstream read only a part of the prompt. */
  learnInput(arm: string, bytes: number, tokens: number): void {
    if (!hasReadAll(bytes, tokens)) return;
    const sums = this.#sums(arm);
    sums.inputBytes += bytes;
    sums.inputTokens += tokens;
  }

  /** Mean seconds from the call to the end of the answer. */
  serviceSeconds(arm: string): number {
    return this.#sums(arm).serviceS ?? PRIOR_SERVICE_S;
  }

  learnService(arm: string, seconds: number): void {
    const sums = this.#sums(arm);
    sums.serviceS = sums.serviceS === null ? seconds : sums.serviceS + SERVICE_SHARE * (seconds - sums.serviceS);
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
    const usd = (input * price.input + cachedInput * price.cachedInput + output * price.output) / 1e6;
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
        inputTokens: 0,
        inputBytes: 0,
        serviceS: null,
        referenceTokens: { input: 0, cachedInput: 0, output: 0 },
        referenceCount: 0,
      };
      this.#arms.set(arm, sums);
    }
    return sums;
  }
}
