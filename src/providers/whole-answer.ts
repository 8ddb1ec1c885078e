import type { Dispatcher } from 'undici';
import { UpstreamError } from '../domain/errors.ts';
import { WholeBody } from './answer-limit.ts';

export interface WholeAnswer {
  status: number;
  headers: Awaited<ReturnType<Dispatcher['request']>>['headers'];
  /** As received: may be compressed. */
  body: Buffer;
}

/**
 * Sends a request and gathers its whole answer. It uses undici's own events: reading a stream to its end takes
 * several times as long for a short answer.
 * @param onActivity called for the headers and for each chunk, but not for an error or a redirection: another answer
 * may follow those, and activity means that the final one is arriving
 * @throws the signal's reason when it is aborted
 * @throws UpstreamError `unreadable` for an answer that is too large
 * @throws undici's error when there is no answer, or an Error caused by it when the answer breaks off
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
    const body = new WholeBody();
    const leave = () => {
      // Reject first: undici notices an abort only once there is a connection.
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
        try {
          body.push(chunk);
        } catch (error) {
          controller.abort(error as UpstreamError);
          return;
        }
        alive();
      },
      onResponseEnd() {
        ended();
        resolve({ status, headers, body: body.bytes() });
      },
      onResponseError(_controller, error) {
        ended();
        // An error status counts even if its text breaks off.
        if (status >= 400 && !signal.aborted) resolve({ status, headers, body: body.bytes() });
        // Wrapped: undici's own error would look as if nothing of an answer had arrived.
        else if (status > 0 && !signal.aborted && !(error instanceof UpstreamError))
          reject(new Error('The answer broke off.', { cause: error }));
        else reject(error);
      },
    });
  });
}
