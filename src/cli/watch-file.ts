import { hash } from 'node:crypto';
import { watchFile as pollFile, readFileSync, statSync, unwatchFile, watch } from 'node:fs';
import { dirname } from 'node:path';

const SETTLE_MS = 200;
const POLL_MS = 2000;

/**
 * Calls `onChange` once after each change of the file's content. The folder is watched, not the file: editors replace
 * files, and Kubernetes swaps a link beside them. And the file is looked at every `pollMs`, for a folder may be replaced
 * too, and what was watched is then another one. @returns stops it
 */
export function watchFile(
  path: string,
  onChange: () => void,
  onError: (error: Error) => void,
  pollMs = POLL_MS,
): () => void {
  let content = digestOrNull(path);
  let latest = content;
  let timer: NodeJS.Timeout | undefined;
  // Not put off by what goes on around the file: where the event log lies beside it that never ends.
  const lookSoon = () => {
    timer ??= setTimeout(look, SETTLE_MS).unref();
  };
  const look = () => {
    timer = undefined;
    const now = digestOrNull(path);
    // Another one than at the last look may be half-written.
    const isWhole = now === latest;
    latest = now;
    // Gone for a moment is no change: an editor is about to put the new file in place.
    if (now === null || now === content) return;
    if (!isWhole) {
      lookSoon();
      return;
    }
    content = now;
    onChange();
  };
  pollFile(path, { persistent: false, interval: pollMs }, lookSoon);
  const stopPolling = () => {
    clearTimeout(timer);
    unwatchFile(path, lookSoon);
  };
  try {
    const watcher = watch(dirname(path), { persistent: false }, lookSoon);
    watcher.on('error', onError);
    return () => {
      stopPolling();
      watcher.close();
    };
  } catch (error) {
    onError(error as Error);
    return stopPolling;
  }
}

/**
 * Of the content, which may hold keys and is not to stay in memory. Null for what is no file, too: to open a named pipe
 * would hold everything up until somebody writes to it again.
 */
function digestOrNull(path: string): string | null {
  try {
    return statSync(path).isFile() ? hash('sha256', readFileSync(path)) : null;
  } catch {
    return null;
  }
}
