import type { Outcomes } from '../recorded/baselines.ts';
import type { Random } from '../util/random.ts';
import { answerCost, drawOutputTokens, promptTokens, trueQuality } from './models.ts';
import type { DemoQuery } from './queries.ts';
import type { SimulatedModel } from './simulated-models.ts';
import type { SimulatedAnswer } from './upstream.ts';

/** Quality, tokens, cost and timing of one model's answer to one query. */
export interface SimulatedOutcome {
  /** 0..1 */
  quality: number;
  inputTokens: number;
  outputTokens: number;
  /** USD */
  cost: number;
  /** Until the first token, in milliseconds. */
  delayMs: number;
  /** From the first token to the last, in milliseconds. */
  streamMs: number;
}

/**
 * The answer of every model to every query, drawn in advance. This way the baselines are judged on exactly the answers
 * that the router could have had, and equal seeds give equal answers in whatever order the requests arrive.
 * @returns `[query][model]`
 */
export function simulateOutcomes(
  models: readonly SimulatedModel[],
  queries: readonly DemoQuery[],
  random: Random,
): SimulatedOutcome[][] {
  return queries.map((query) => models.map((model) => simulateOutcome(model, query, random)));
}

function simulateOutcome(model: SimulatedModel, query: DemoQuery, random: Random): SimulatedOutcome {
  const inputTokens = promptTokens(query);
  const outputTokens = drawOutputTokens(model, query, random);
  return {
    quality: trueQuality(model, query, random),
    inputTokens,
    outputTokens,
    cost: answerCost(model.price, inputTokens, outputTokens),
    delayMs: model.speed.firstTokenMs * (0.7 + 0.6 * random.uniform()),
    streamMs: model.speed.msPerToken * outputTokens,
  };
}

/**
 * The outcome as the model's upstream sends it. The text is a placeholder, because only its tokens and quality matter.
 */
export function outcomeAnswer(model: SimulatedModel, query: DemoQuery, outcome: SimulatedOutcome): SimulatedAnswer {
  return {
    model: model.upstreamModel,
    text: `Simulated answer by ${model.id} to a query of kind ${query.kind}; it stands for ${outcome.outputTokens} tokens.`,
    inputTokens: outcome.inputTokens,
    outputTokens: outcome.outputTokens,
    delayMs: outcome.delayMs,
    streamMs: outcome.streamMs,
  };
}

/**
 * The outcomes in the form that the baselines take.
 * @param simulated `[query][model]`
 */
export function outcomeMatrix(simulated: readonly (readonly SimulatedOutcome[])[]): Outcomes {
  return {
    quality: simulated.map((row) => row.map((outcome) => outcome.quality)),
    cost: simulated.map((row) => row.map((outcome) => outcome.cost)),
  };
}
