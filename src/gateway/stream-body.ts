import { UpstreamError } from '../domain/errors.ts';
import type { StreamPiece } from '../providers/provider.ts';
import { sseData } from '../util/sse.ts';
import type { Attempt } from './attempt.ts';
import type { Exchange } from './exchange.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { OpenedStream } from './open-stream.ts';

/** How long a connection may stay open after [DONE]. */
const LINGER_MS = 1000;
const EVENT_END = new TextEncoder().encode('\n\n');
/** Matches an error's type or code, but no sentence. */
const NAME = /^[\w.-]{1,64}$/;

/**
 * Yields the bytes of a streamed answer and records how it ended: complete, broken off, or abandoned by the client.
 * @param request the request, with the signal that its client has left
 */
export async function* streamBody(
  { clientGone, requestId }: { clientGone: AbortSignal; requestId: string },
  exchange: Exchange,
  opened: Attempt<OpenedStream>,
  { log, metrics }: { log: Logger; metrics: Metrics },
): AsyncGenerator<Uint8Array> {
  const { deadline } = opened;
  let outcome: 'ok' | 'aborted' = 'aborted';
  let sent: Uint8Array = EVENT_END;
  // A client that does not read suspends this generator. The request must nevertheless end on time: it must neither
  // keep its place among the arm's running calls, nor count as a failure in the arm's breaker.
  deadline.expired.addEventListener('abort', () =>
    exchange.finish('interrupted', 200, deadline.isPaused ? 'unread' : deadline.expired.reason.failure),
  );
  try {
    for await (const piece of joined(opened.value)) {
      if (piece.content) exchange.firstToken();
      exchange.received(piece);
      // The answer is complete at [DONE]: clients leave there, and what the connection does later does not matter. Read
      // on for a moment all the same, so that the connection can be reused, but let nothing else wait for that.
      if (piece.done) {
        outcome = 'ok';
        exchange.finish('ok', 200);
      }
      deadline.pause();
      if (piece.bytes.length > 0) {
        sent = piece.bytes;
        yield piece.bytes;
      }
      if (piece.done) deadline.linger(LINGER_MS);
      else if (outcome !== 'ok') deadline.alive();
    }
    outcome = 'ok';
  } catch (error) {
    if (clientGone.aborted || outcome === 'ok') return;
    // A partial answer must never end cleanly: the error event makes the client library throw.
    const failure = error instanceof UpstreamError ? error : new UpstreamError('interrupted', 'The stream broke off.');
    log.warn({ requestId, model: opened.arm.id, reason: reasonForLog(failure) }, 'A stream broke off.');
    metrics.upstreamErrors.inc({ model: opened.arm.id, failure: failure.failure });
    exchange.finish('interrupted', 200, failure.failure);
    if (!endsEvent(sent)) yield EVENT_END;
    yield sseData(JSON.parse(failure.body));
  } finally {
    deadline.stop();
    exchange.finish(outcome, outcome === 'ok' ? 200 : null);
    // Has no effect on a complete stream; otherwise this closes the upstream's connection.
    deadline.limit.abort(new Error('The answer is no longer read.'));
  }
}

/** Whether the last event is complete: an upstream that breaks off may have sent it without its final blank line. */
function endsEvent(bytes: Uint8Array): boolean {
  return /(\n|\r|\r\n)\1$/.test(Buffer.from(bytes.subarray(-4)).toString('latin1'));
}

/**
 * The reason as it may be logged: of a quoted error, only its type and code, because an upstream's message may quote
 * the prompt, which must never be logged.
 */
function reasonForLog({ isQuoted, message, body }: UpstreamError): string {
  if (!isQuoted) return message;
  const { type, code } = (JSON.parse(body).error ?? {}) as { type?: unknown; code?: unknown };
  const names = [type, code].filter((name) => (typeof name === 'string' ? NAME.test(name) : typeof name === 'number'));
  return ['The upstream reported an error', ...names].join(': ');
}

/** Joins the pieces by hand: passing them through one more generator would cost several promises for each. */
function joined({ head, rest }: OpenedStream): AsyncIterable<StreamPiece> {
  let taken = 0;
  const pieces: AsyncIterator<StreamPiece> = {
    next: () => (taken < head.length ? Promise.resolve({ done: false, value: head[taken++] }) : rest.next()),
    return: async () => (await rest.return?.()) ?? { done: true, value: undefined },
  };
  return { [Symbol.asyncIterator]: () => pieces };
}
