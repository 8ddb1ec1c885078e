import type { Arm } from '../domain/arm.ts';
import { isAsked } from '../domain/selection.ts';
import type { ProviderAnswer } from '../providers/provider.ts';
import type { Exchange } from './exchange.ts';

/**
 * The headers that describe a reply; every reply has them.
 * @param arm the arm that answered, or null if none did
 * @param answer what the arm's provider reported, or null
 */
export function replyHeaders(
  requestId: string,
  exchange: Exchange,
  arm: Arm | null,
  answer: Pick<ProviderAnswer, 'droppedParams' | 'upstreamRequestId'> | null,
): Record<string, string> {
  const asked = arm?.id ?? exchange.arm;
  const headers: Record<string, string> = {
    'x-request-id': requestId,
    'x-mixllm-decision-id': exchange.decisionId,
    'x-mixllm-attempts': String(exchange.calls + (arm ? 1 : 0)),
    'x-mixllm-model': asked,
  };
  if (arm && isAsked(exchange.decision.ask)) headers['x-mixllm-ask-feedback'] = '1';
  const provider = exchange.decision.arms.find((explanation) => explanation.arm === asked)?.provider;
  if (provider) headers['x-mixllm-provider'] = provider;
  if (exchange.overheadMs !== null) headers['x-mixllm-overhead-ms'] = exchange.overheadMs.toFixed(2);
  if (answer?.upstreamRequestId) headers['x-mixllm-upstream-request-id'] = headerSafe(answer.upstreamRequestId);
  if (answer && answer.droppedParams.length > 0) {
    headers['x-mixllm-dropped-params'] = answer.droppedParams.map(headerSafe).join(', ');
  }
  return headers;
}

/** Percent-encodes characters that a header cannot carry: field names come from the client. */
function headerSafe(text: string): string {
  return text.toWellFormed().replace(/[^\x21-\x2b\x2d-\x7e]/gu, encodeURIComponent);
}

/** Formats USD as a plain decimal without an exponent, because clients parse it as a number and people read it. */
export function formatUsd(usd: number): string {
  const digits = usd.toFixed(12);
  let end = digits.length;
  while (digits[end - 1] === '0') end--;
  return digits.slice(0, digits[end - 1] === '.' ? end - 1 : end);
}
