import { hash } from 'node:crypto';
import { watchFile as pollFile, readFileSync, statSync, unwatchFile, watch } from 'node:fs';
import { dirname } from 'node:path';

const SETTLE_MS = 200;
const POLL_MS = 2000;
/** Editors and deployments put a file back within a moment. */
const GONE_MS = 5000;

/**
 * Calls `on.change` once after each change of the file's content. It watches the folder rather than the file, because
 * editors replace files, and Kubernetes swaps a link next to them. It also checks the file every `pollMs`, because the
 * folder may be replaced too, and then the watched one is a different one.
 * @param on.gone called once when the file has been missing for some seconds; `change` follows when it is back
 * @param on.error called when the folder cannot be watched
 * @returns `stop`, and `seen`, which tells that the content with this digest (null: none) was read independently of
 * `on.change`
 */
export function watchFile(
  path: string,
  on: { change(): void; gone(): void; error(error: Error): void },
  { pollMs = POLL_MS, goneMs = GONE_MS } = {},
): { stop(): void; seen(digest: string | null): void } {
  let content = digestOrNull(path);
  let latest = content;
  let timer: NodeJS.Timeout | undefined;
  let goneTimer: NodeJS.Timeout | undefined;
  const lookWhetherGone = () => {
    goneTimer = undefined;
    if (digestOrNull(path) !== null || content === null) return;
    content = null;
    on.gone();
  };
  // Further events around the file do not postpone the check: with the event log next to it, they never end.
  const lookSoon = () => {
    timer ??= setTimeout(look, SETTLE_MS).unref();
  };
  const look = () => {
    timer = undefined;
    const now = digestOrNull(path);
    // Content that differs from that of the last check may be half-written.
    const isWhole = now === latest;
    latest = now;
    // A file that is missing for a moment has not changed: an editor is about to put the new one in place.
    if (now === null) {
      goneTimer ??= setTimeout(lookWhetherGone, goneMs).unref();
      return;
    }
    clearTimeout(goneTimer);
    goneTimer = undefined;
    if (now === content) return;
    if (!isWhole) {
      lookSoon();
      return;
    }
    content = now;
    on.change();
  };
  pollFile(path, { persistent: false, interval: pollMs }, lookSoon);
  let isStopped = false;
  const seen = (digest: string | null) => {
    if (isStopped) return;
    content = digest;
    lookSoon();
  };
  const stopPolling = () => {
    isStopped = true;
    clearTimeout(timer);
    clearTimeout(goneTimer);
    unwatchFile(path, lookSoon);
  };
  try {
    const watcher = watch(dirname(path), { persistent: false }, lookSoon);
    watcher.on('error', on.error);
    const stop = () => {
      stopPolling();
      watcher.close();
    };
    return { stop, seen };
  } catch (error) {
    on.error(error as Error);
    return { stop: stopPolling, seen };
  }
}

/**
 * Digest of the content, which may contain keys and must not stay in memory. Null if there is no such file, if it
 * cannot be read, or if it is not a regular file: opening a named pipe would block everything until somebody writes to
 * it again.
 */
export function digestOrNull(path: string): string | null {
  try {
    return statSync(path).isFile() ? hash('sha256', readFileSync(path)) : null;
  } catch {
    return null;
  }
}
