import type { Dispatcher } from 'undici';
import { UpstreamError } from '../domain/errors.ts';
import type { Clock } from '../util/clock.ts';
import { WholeBody } from './answer-limit.ts';

/**
 * How long to wait for the text of an error, which usually arrives with the status. The status counts, whatever happens
 * to the text.
 */
export const ERROR_TEXT_MS = 2000;

export interface WholeAnswer {
  status: number;
  headers: Awaited<ReturnType<Dispatcher['request']>>['headers'];
  /** As received, so it may be compressed. */
  body: Buffer;
}

/**
 * Sends a request and gathers its whole answer. Uses undici's own events, because reading a stream to its end takes
 * several times as long for a short answer.
 * @param clock for the time that an error's text gets after its status
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
  clock: Clock,
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
    let stopWaiting = () => {};
    const ended = () => {
      stopWaiting();
      signal.removeEventListener('abort', leave);
    };
    signal.addEventListener('abort', leave);
    dispatcher.dispatch(request, {
      onRequestStart(controller) {
        call = controller;
        if (signal.aborted) controller.abort(signal.reason);
      },
      onResponseStart(controller, statusCode, responseHeaders) {
        [status, headers] = [statusCode, responseHeaders];
        if (status >= 400)
          stopWaiting = clock.after(ERROR_TEXT_MS, () => {
            // The text so far is dropped: without its end, it is not valid JSON.
            resolve({ status, headers, body: Buffer.alloc(0) });
            controller.abort(new Error('The text takes too long.'));
          });
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
        // Wrapped, because undici's own error would look as if nothing of the answer had arrived.
        else if (status > 0 && !signal.aborted && !(error instanceof UpstreamError))
          reject(new Error('The answer broke off.', { cause: error }));
        else reject(error);
      },
    });
  });
}
