import { hash } from 'node:crypto';
import { watchFile as pollFile, readFileSync, statSync, unwatchFile, watch } from 'node:fs';
import { dirname } from 'node:path';

const SETTLE_MS = 200;
const POLL_MS = 2000;
/** Editors and deployments put a file back within a moment. */
const GONE_MS = 5000;

/**
 * Calls `on.change` once after each change of the file's content. It watches the folder, not the file: editors replace
 * files, and Kubernetes swaps a link next to them. It also looks at the file every `pollMs`, because a folder may be
 * replaced too, and then the watched one is another.
 * @param on.gone called once when the file has been missing for some seconds; `change` follows when it is back
 * @param on.error called when the folder cannot be watched
 * @returns `stop`, and `seen`: tells that the content with this digest (null: none) was read aside from `on.change`
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
  // Events around the file do not postpone the look: with the event log next to it, they never end.
  const lookSoon = () => {
    timer ??= setTimeout(look, SETTLE_MS).unref();
  };
  const look = () => {
    timer = undefined;
    const now = digestOrNull(path);
    // Content that differs from the last look's may be half-written.
    const isWhole = now === latest;
    latest = now;
    // A file that is gone for a moment has not changed: an editor is about to put the new one in place.
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
 * Digest of the content, which may hold keys and must not stay in memory. Null where there is no such file, where it
 * cannot be read, and for what is not a file: opening a named pipe would block everything until somebody writes to it
 * again.
 */
export function digestOrNull(path: string): string | null {
  try {
    return statSync(path).isFile() ? hash('sha256', readFileSync(path)) : null;
  } catch {
    return null;
  }
}
