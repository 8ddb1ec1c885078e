import { existsSync, statSync } from 'node:fs';
import pino from 'pino';
import { Gateway } from '../app.ts';
import { ConfigError } from '../config/config-error.ts';
import type { LoadedConfig } from '../config/load.ts';
import { messageOf } from '../util/message-of.ts';
import { StartError } from '../wiring/start-error.ts';
import { checkStart } from './check-start.ts';
import { loadWithOverrides } from './load-with-overrides.ts';
import { LogOutput } from './log-output.ts';
import { tell } from './print.ts';
import { digestOrNull, watchFile } from './watch-file.ts';

/** Runs the gateway until SIGINT or SIGTERM; exits with 1 when it cannot start. */
export async function serve(file: string): Promise<void> {
  let gateway: Gateway;
  try {
    const loaded = loadWithOverrides(file, process.env);
    const log: pino.Logger = pino(
      { level: loaded.config.logging.level },
      new LogOutput((lines) => log.warn({ lines }, 'Log lines were lost: the output accepted none for too long.')),
    );
    gateway = new Gateway(loaded, { log });
    gateway.metrics.collectProcessMetrics();
    // Begins before the gateway listens, because reading a long log takes minutes.
    const stopReloading = keepUpToDate(gateway, file, log);
    const listening = stopOnSignals(gateway, log, stopReloading);
    const address = await gateway.listen();
    listening();
    log.info({ config: file, models: gateway.callableModels }, `MixLLM Gateway listens on ${address}/v1`);
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof StartError || isListenError(error))) throw error;
    const hints = [
      ...(existsSync(file) ? [] : ['Name another file with --config FILE.']),
      ...(isListenError(error)
        ? ['Set another server.host or server.port in the config, or another HOST or PORT.']
        : []),
    ];
    tell([messageOf(error), ...hints].join('\n'));
    // Setting `exitCode` is not enough, because a half-started gateway may hold timers.
    process.exit(1);
  }
}

/** A pipe can be read only once, at the start: opening it again would block everything until somebody writes to it. */
function refusePipe(file: string): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isFIFO()) throw new ConfigError(file, ['it is a pipe, which can be read only once, at the start']);
}

/**
 * Reloads on SIGHUP and when the file changes.
 * @returns a function that stops watching the file
 */
function keepUpToDate(gateway: Gateway, file: string, log: pino.Logger): () => void {
  let before = digestOrNull(file);
  const reload = (now: string | null) => {
    try {
      refusePipe(file);
      const loaded = loadWithOverrides(file, process.env);
      const { waiting, changed } = gateway.reload(loaded);
      // Otherwise, someone who replaced a file that a container mounts on its own, which the container does not see,
      // would believe that the new one had been loaded.
      log.info(
        { config: file, changed },
        `The config was reloaded${now === before ? '; its file has not changed' : ''}.`,
      );
      before = now;
      gateway.metrics.configReloaded.set(Number(waiting.length === 0 || wouldStart(loaded, log)));
    } catch (error) {
      gateway.metrics.configReloaded.set(0);
      // Catches whatever is wrong with the file, even if nobody foresaw it, because running requests must survive it.
      log.error(`The config was not reloaded; the old one stays in force. ${messageOf(error)}`);
    }
  };
  const watched = watchFile(file, {
    change: () => reload(digestOrNull(file)),
    gone() {
      gateway.metrics.configReloaded.set(0);
      log.error(
        { config: file },
        'The config file is gone or cannot be read. What it said stays in force; the next start would fail.',
      );
    },
    error(error) {
      log.warn({ err: error }, "The config's folder cannot be watched; the file itself is checked every 2 seconds.");
    },
  });
  const onSignal = () => {
    // Take the digest first: the signal may have found a half-written file, and the complete file that follows must
    // then count as a change.
    const digest = digestOrNull(file);
    reload(digest);
    watched.seen(digest);
  };
  process.on('SIGHUP', onSignal);
  return () => {
    watched.stop();
    // A listener remains, because by default the signal would end the process.
    process.on('SIGHUP', () => {}).off('SIGHUP', onSignal);
  };
}

/** Problems with the next start are best found while somebody is looking at the file. */
function wouldStart(loaded: LoadedConfig, log: pino.Logger): boolean {
  try {
    checkStart(loaded);
    return true;
  } catch (error) {
    log.error(`The config was reloaded, but the next start with it would fail. ${messageOf(error)}`);
    return false;
  }
}

/**
 * Ends on SIGINT and SIGTERM: gracefully once the gateway listens, and at once before that, because nobody is being
 * served yet and the progress of reading a long log is saved every few seconds.
 * @returns a function to call when the gateway listens
 */
function stopOnSignals(gateway: Gateway, log: pino.Logger, stopReloading: () => void): () => void {
  let state: 'starting' | 'listening' | 'stopping' = 'starting';
  const stop = async (signal: string) => {
    if (state === 'starting') log.info(`${signal}: stopped before the gateway began to serve.`);
    if (state !== 'listening') process.exit(state === 'starting' ? 0 : 1);
    state = 'stopping';
    log.info(`${signal}: shutting down; a second signal stops at once.`);
    stopReloading();
    // After Ctrl-C there is no load balancer to wait for.
    if (signal === 'SIGTERM') await gateway.drain();
    try {
      await gateway.close();
    } catch (error) {
      log.error({ err: error }, 'The gateway did not close cleanly.');
      process.exit(1);
    }
    process.exit(0);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // The listeners of main.ts are removed only once this one is in place: a signal that is waiting to be dispatched
    // would be lost together with the last listener.
    const early = process.listeners(signal);
    process.on(signal, () => void stop(signal));
    for (const listener of early) process.off(signal, listener);
  }
  return () => {
    state = 'listening';
  };
}

function isListenError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && ['listen', 'getaddrinfo'].includes(String(error.syscall));
}
