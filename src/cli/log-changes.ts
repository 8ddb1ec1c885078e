import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig } from '../config/load.ts';
import { isWithin, readEvents } from '../offline/log/decision-records.ts';
import { toRow } from '../store/event-row.ts';
import { systemClock } from '../util/clock.ts';
import { openEventLog, openEventLogToChange } from '../wiring/event-reader.ts';
import { configFile } from './config-file.ts';
import type { LogOptions } from './log.ts';
import { tell } from './print.ts';

export interface DeleteOptions extends LogOptions {
  /** Ids of decisions; given instead of a key and a period. */
  id?: string[];
  key?: string;
}

/** Changing this many takes some milliseconds, after which a running gateway gets its turn. */
const CHANGED_AT_ONCE = 40;
/** Not much shorter, because SQLite sleeps up to 100 ms before it looks again whether a lock is free. */
const PAUSE_MS = 50;

/** `mixllm log delete`: deletes decisions and everything that followed from the log. */
export async function deleteFromLog({ config, id, key, since, until }: DeleteOptions): Promise<void> {
  const isFiltered = key !== undefined || since !== undefined || until !== undefined;
  if (isFiltered === (id !== undefined))
    throw new Error('Say what to delete: either --id, or --key, --since, --until.');
  const log = openEventLogToChange(loadConfig(configFile(config), process.env).config);
  const counts = { deleted: 0, needed: 0, unknown: 0 };
  try {
    const ids = id ?? log.decisionsOf(key ?? null, since ?? 0, until ?? Number.MAX_SAFE_INTEGER);
    await inTurns(ids, (some) => {
      for (const result of log.deleteDecisions(some, systemClock.now())) counts[result]++;
    });
  } finally {
    log.emptyWriteAheadLog();
    log.close();
  }
  tell(`${counts.deleted} decisions deleted, ${counts.unknown} not found`);
  if (counts.needed === 0) return;
  throw new Error(
    `${counts.needed} decisions stay: their requests may still be running (until a day after they began), the learner has not saved what they taught, or one of them has the newest event of the log. Stop the gateway, which saves it, or wait for further requests; then try again.`,
  );
}

export interface WithdrawOptions extends LogOptions {
  source?: string;
  key?: string;
}

/** `mixllm log withdraw`: withdraws ratings, replaced ones too: otherwise they would count again. */
export async function withdrawRatings({ config, source, key, ...period }: WithdrawOptions): Promise<void> {
  if (source === undefined && key === undefined) throw new Error('Say whose ratings to withdraw: --source, --key.');
  const loaded = loadConfig(configFile(config), process.env).config;
  const reader = openEventLog(loaded);
  const log = openEventLogToChange(loaded);
  let withdrawn = 0;
  try {
    const ofKey = key === undefined ? null : new Set(log.decisionsOf(key, 0, Number.MAX_SAFE_INTEGER));
    const time = systemClock.now();
    const withdrawals = [];
    for await (const event of readEvents(reader, await reader.lastSequence(), () => {})) {
      if (event.type !== 'rated' || (source ?? event.source) !== event.source || !isWithin(event.time, period))
        continue;
      const { decisionId, feedbackId } = event;
      if (ofKey?.has(decisionId) ?? true) withdrawals.push(toRow({ type: 'withdrawn', decisionId, time, feedbackId }));
    }
    await inTurns(withdrawals, (some) => {
      // An earlier withdrawal is returned in its place.
      withdrawn += log.append(some, false).filter((row) => typeof row === 'number').length;
    });
  } finally {
    log.emptyWriteAheadLog();
    log.close();
    await reader.close();
  }
  tell(`${withdrawn} ratings withdrawn`);
}

/** Changes the log a few items at a time, with pauses. Otherwise a running gateway's writes would fail. */
async function inTurns<T>(items: readonly T[], change: (some: T[]) => void): Promise<void> {
  for (let i = 0; i < items.length; i += CHANGED_AT_ONCE) {
    // Not the clock's pause, which does not keep the process alive.
    if (i > 0) await sleep(PAUSE_MS);
    change(items.slice(i, i + CHANGED_AT_ONCE));
  }
}
