import { outOfDescriptors } from '../util/descriptors.ts';
import { messageOf } from '../util/message-of.ts';

/** Codes of a failed name lookup. A lookup also fails with these codes when no file descriptor is left for it. */
const NAME_NOT_FOUND = new Set(['ENOTFOUND', 'EAI_AGAIN']);

/**
 * Says why there was no answer, based on the error's innermost cause, which is the most specific.
 * @returns `code`: the error code of the system or of undici, or null
 */
export function connectionFailure(error: unknown): { message: string; code: string | null } {
  let cause = error;
  while (cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : null;
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return { message: 'no connection in time (connect_s)', code };
  const message = messageOf(cause) || messageOf(error);
  return { message, code: code !== null && NAME_NOT_FOUND.has(code) ? (outOfDescriptors() ?? code) : code };
}
