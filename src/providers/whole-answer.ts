import type { Dispatcher } from 'undici';
import { UpstreamError } from '../domain/errors.ts';
import { MAX_BYTES, tooLarge } from './answer-limit.ts';

export interface WholeAnswer {
  status: number;
  headers: Awaited<ReturnType<Dispatcher['request']>>['headers'];
  /** As received: perhaps compressed. */
  body: Buffer;
}

/**
 * Sends a request and gathers its whole answer. By undici's own events: a stream that is read to its end takes several
 * times as long for a short answer.
 * @param onActivity told of the headers and of each chunk, but not of a refusal's or a redirection's, which may not be the
 * last word: whoever waits for the whole must know that it is coming
 * @throws the signal's reason when it is aborted; UpstreamError `unreadable` for an answer that is too large; what undici
 * tells when there is no answer, or no whole one
 */
export function askForWhole(
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  signal: AbortSignal,
  onActivity?: () => void,
): Promise<WholeAnswer> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    let call: Dispatcher.DispatchController | null = null;
    let [status, headers]: [number, WholeAnswer['headers']] = [0, {}];
    const chunks: Buffer[] = [];
    let length = 0;
    const leave = () => {
      // At once: undici notices an abort only when there is a connection.
      reject(signal.reason);
      call?.abort(signal.reason);
    };
    const alive = () => {
      if (status < 300) onActivity?.();
    };
    const ended = () => signal.removeEventListener('abort', leave);
    signal.addEventListener('abort', leave);
    dispatcher.dispatch(request, {
      onRequestStart(controller) {
        call = controller;
        if (signal.aborted) controller.abort(signal.reason);
      },
      onResponseStart(_controller, statusCode, responseHeaders) {
        [status, headers] = [statusCode, responseHeaders];
        alive();
      },
      onResponseData(controller, chunk) {
        length += chunk.length;
        if (length > MAX_BYTES) {
          chunks.length = 0;
          controller.abort(tooLarge("The upstream's answer"));
          return;
        }
        chunks.push(chunk);
        alive();
      },
      onResponseEnd() {
        ended();
        resolve({ status, headers, body: chunks.length === 1 ? chunks[0] : Buffer.concat(chunks) });
      },
      onResponseError(_controller, error) {
        ended();
        // A refusal counts whatever becomes of its text.
        if (status >= 400 && !signal.aborted) resolve({ status, headers, body: Buffer.concat(chunks) });
        // Not as it is, which would say that nothing of an answer had come.
        else if (status > 0 && !signal.aborted && !(error instanceof UpstreamError))
          reject(new Error('The answer broke off.', { cause: error }));
        else reject(error);
      },
    });
  });
}
