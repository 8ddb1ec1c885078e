import type { Usage } from '../domain/chat.ts';
import type { AnswerFacts, ProviderAnswer, StreamPiece } from '../providers/provider.ts';
import { addFacts, NO_FACTS } from './answer-facts.ts';
import { estimateUsage } from './usage-estimate.ts';

export interface UsageQuestion {
  /** Whether the answer has reached its end. */
  isWhole: boolean;
  /** How many choices the client asked for. */
  choices: number;
  /** Input tokens of the request, as estimated when the decision was made. */
  inputTokens: number;
  /** The ratio learned for the arm and text like that of the request. */
  tokensPerByte: number;
}

/** What has been received of an answer so far: its metadata, and what it used. */
export class ReceivedAnswer {
  #facts: AnswerFacts = NO_FACTS;
  #generatedBytes = 0;
  /** Whether more of the answer has arrived since the usage was last reported. */
  #isUsageStale = false;

  get facts(): AnswerFacts {
    return this.#facts;
  }

  /** Takes in a piece of the answer, or a whole answer. */
  add(piece: StreamPiece | ProviderAnswer): void {
    this.#facts = addFacts(this.#facts, piece);
    const generatedBytes = piece.generatedBytes ?? 0;
    this.#generatedBytes += generatedBytes;
    this.#isUsageStale = !piece.usage && (this.#isUsageStale || generatedBytes > 0);
  }

  /** The usage as counted by the upstream, or an estimate where the upstream did not count the whole answer. */
  used({ isWhole, choices, inputTokens, tokensPerByte }: UsageQuestion): { usage: Usage; estimated: boolean } {
    const { usage: reported, finishReason } = this.#facts;
    // Usage that a stream reports midway is incomplete, and so is usage while another choice is still running.
    const isOver = isWhole || (finishReason !== null && choices === 1);
    const isCounted = reported && !this.#isUsageStale && (reported.outputTokens > 0 || this.#generatedBytes === 0);
    if (isCounted && isOver) return { usage: reported, estimated: false };
    const evidence = { reported, inputTokens, generatedBytes: this.#generatedBytes, tokensPerByte };
    return { usage: estimateUsage(evidence), estimated: true };
  }
}
