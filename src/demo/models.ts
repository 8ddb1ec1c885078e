import type { Random } from '../util/random.ts';
import type { DemoQuery } from './queries.ts';
import { type SimulatedModel, USUAL_TOKENS } from './simulated-models.ts';

/** Standard deviation of one answer's quality, away from 0 and 1. */
const QUALITY_SD = 0.1;
const LENGTH_LOG_SD = 0.25;

/** Mean quality of the model's answers to queries of this kind and difficulty, 0..1. */
export function expectedQuality(model: SimulatedModel, query: Pick<DemoQuery, 'kind' | 'difficulty'>): number {
  const quality = model.quality[query.kind] - model.falloff * (query.difficulty - 0.5);
  return Math.min(0.99, Math.max(0.02, quality));
}

/**
 * Quality of one answer, in [0, 1], drawn around `expectedQuality`. Near the ends, the noise shrinks rather than being
 * clipped, so that it stays symmetric and the mean is exact.
 */
export function trueQuality(
  model: SimulatedModel,
  query: Pick<DemoQuery, 'kind' | 'difficulty'>,
  random: Random,
): number {
  const mean = expectedQuality(model, query);
  const sd = Math.min(QUALITY_SD, mean / 2, (1 - mean) / 2);
  return mean + sd * Math.max(-2, Math.min(2, random.normal()));
}

/** Tokens of the whole prompt: one per four characters, plus four per message. At least 1. */
export function promptTokens(query: Pick<DemoQuery, 'messages'>): number {
  return query.messages.reduce((sum, message) => sum + 4 + Math.ceil(message.content.length / 4), 0);
}

/** Length of one answer in tokens, at least 1: log-normal around the usual length, and longer for harder queries. */
export function drawOutputTokens(
  model: SimulatedModel,
  query: Pick<DemoQuery, 'kind' | 'difficulty'>,
  random: Random,
): number {
  const usual = USUAL_TOKENS[query.kind] * (model.length[query.kind] ?? model.length.usual);
  return Math.max(1, Math.round(usual * (0.6 + 0.8 * query.difficulty) * Math.exp(LENGTH_LOG_SD * random.normal())));
}

/**
 * Cost in USD of an answer without cached input.
 * @param price USD per million tokens
 */
export function answerCost(
  price: { input: number; output: number },
  inputTokens: number,
  outputTokens: number,
): number {
  return (inputTokens * price.input + outputTokens * price.output) / 1e6;
}
