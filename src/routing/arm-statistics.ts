import type { Arm } from '../domain/arm.ts';

/**
 * Tokens per UTF-8 byte before anything is known, worth this many bytes of evidence. Per byte, because tokenisers work on bytes:
 * per character Chinese has three times as many tokens as English.
 */
export const PRIOR_TOKENS_PER_BYTE = 0.25;
const PRIOR_BYTES = 2000;
/** Whatever an upstream reports: the figure decides which prompts fit a context window. */
const MAX_TOKENS_PER_BYTE = 1.5;
/** Share of the newest answer in the mean service time: about the last twenty answers count. */
const SERVICE_SHARE = 0.05;
/** Seconds an answer is taken to need before the first was seen. */
const PRIOR_SERVICE_S = 2;

/** Tokens that an answer was predicted to take, by what they are billed as. */
export interface PricedTokens {
  input: number;
  cachedInput: number;
  output: number;
}

interface ArmSums {
  inputTokens: number;
  inputBytes: number;
  serviceS: number | null;
  /** Predicted for the arm over decisions in which it was the reference. Tokens: prices change, and are never learned. */
  referenceTokens: PricedTokens;
  referenceCount: number;
}

export type ArmStatisticsState = Record<string, ArmSums>;

/** Running figures per arm that no linear model is needed for. */
export class ArmStatistics {
  #arms = new Map<string, ArmSums>();

  /** Tokenisers differ: each arm's own ratio, learned from the usage that its upstream reports. */
  tokensPerByte(arm: string): number {
    const { inputTokens, inputBytes } = this.#sums(arm);
    const ratio = (PRIOR_TOKENS_PER_BYTE * PRIOR_BYTES + inputTokens) / (PRIOR_BYTES + inputBytes);
    return Math.min(MAX_TOKENS_PER_BYTE, ratio);
  }

  learnInput(arm: string, bytes: number, tokens: number): void {
    const sums = this.#sums(arm);
    sums.inputBytes += bytes;
    sums.inputTokens += tokens;
  }

  /** Mean seconds from call to end of answer. */
  serviceSeconds(arm: string): number {
    return this.#sums(arm).serviceS ?? PRIOR_SERVICE_S;
  }

  learnService(arm: string, seconds: number): void {
    const sums = this.#sums(arm);
    sums.serviceS = sums.serviceS === null ? seconds : sums.serviceS + SERVICE_SHARE * (seconds - sums.serviceS);
  }

  /**
   * c_ref: the mean predicted cost of the reference arm at its price now, over all queries and not only those that it
   * answered (they are the hard ones). @param here its predicted cost for the query at hand, one more observation; null:
   * not on offer @returns USD; 0 when nothing is known
   */
  referenceCost({ id, price }: Pick<Arm, 'id' | 'price'>, here: number | null): number {
    const { referenceTokens, referenceCount } = this.#sums(id);
    const { input, cachedInput, output } = referenceTokens;
    const usd = (input * price.input + cachedInput * price.cachedInput + output * price.output) / 1e6;
    const count = referenceCount + Number(here !== null);
    return count === 0 ? 0 : (usd + (here ?? 0)) / count;
  }

  /** @param tokens that the reference arm was predicted to take for one answer */
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
