import { existsSync, realpathSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig } from '../config/load.ts';
import {
  type DecisionRecord,
  isWithin,
  type Period,
  readDecisions,
  readEvents,
} from '../offline/log/decision-records.ts';
import { exportRow } from '../offline/log/export-row.ts';
import { LogSummarizer } from '../offline/log/log-summary.ts';
import { toRow } from '../store/event-row.ts';
import { systemClock } from '../util/clock.ts';
import { streamJsonLines, writeJsonLines } from '../util/write-json-lines.ts';
import { refuseToOverwrite, writingWhole } from '../util/write-whole.ts';
import { openEventLog, openEventLogToChange } from '../wiring/event-reader.ts';
import { configFile } from './config-file.ts';
import { renderLogSummary } from './log-table.ts';
import { print, tell } from './print.ts';
import { ProgressLine } from './progress-line.ts';

/** Selects the decisions to read: those in the config's log, within a period. */
export interface LogOptions extends Period {
  config?: string;
}

export interface ExportOptions extends LogOptions {
  /** Absent: standard output. */
  out?: string;
  force?: boolean;
}

/** The same as for the log itself, because not everybody may see the names of keys and the prices. */
const LOG_MODE = 0o640;

/** `mixllm log export`: answered decisions with their outcomes and ratings as JSON lines, for training and analysis. */
export async function exportLog({ out, force, ...options }: ExportOptions): Promise<void> {
  if (out !== undefined) refuseToOverwrite(out, force ?? false);
  const counts = { written: 0, rated: 0, unanswered: 0 };
  await withDecisions(options, async (decisions) => {
    async function* rows() {
      for await (const decision of decisions) {
        const row = exportRow(decision);
        if (!row) counts.unanswered++;
        else {
          counts.written++;
          if (row.ratings && row.ratings.length > 0) counts.rated++;
          yield row;
        }
      }
    }
    await (out === undefined ? streamJsonLines(process.stdout, rows()) : writeJsonLines(out, rows(), LOG_MODE));
  });
  const unanswered = counts.unanswered > 0 ? `; ${counts.unanswered} that no model answered are left out` : '';
  tell(`${out ?? 'log'}: ${counts.written} decisions, ${counts.rated} of them rated${unanswered}`);
}

/** `mixllm log stats`: what the log holds, by model. */
export async function logStats({ json, ...options }: LogOptions & { json?: boolean }): Promise<void> {
  const summarizer = new LogSummarizer();
  await withDecisions(options, async (decisions) => {
    for await (const decision of decisions) summarizer.add(decision);
  });
  const summary = summarizer.summary();
  print(json ? JSON.stringify(summary, null, 2) : renderLogSummary(summary));
}

export interface BackupOptions {
  config?: string;
  out: string;
  force?: boolean;
}

/** `mixllm log backup`: copies the log as it is at this moment into a separate file. */
export async function backUpLog({ config, out, force }: BackupOptions): Promise<void> {
  refuseToOverwrite(out, force ?? false);
  refuseDatabaseInUse(out);
  const log = openEventLog(loadConfig(configFile(config), process.env).config);
  try {
    const last = await log.lastSequence();
    await writingWhole(out, (unfinished) => log.copyTo(unfinished));
    tell(`${out}: the event log up to event ${last} or later`);
  } finally {
    await log.close();
  }
}

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
    log.emptyLog();
    log.close();
  }
  tell(`${counts.deleted} decisions deleted, ${counts.unknown} not found`);
  if (counts.needed === 0) return;
  throw new Error(
    `${counts.needed} decisions stay: they are not answered yet (within a day), the learner has not saved what they taught, or one of them has the newest event of the log. Stop the gateway, which saves it, or wait for further requests; then try again.`,
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
    log.emptyLog();
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

/**
 * Refuses to overwrite a database that may be in use.
 * @throws Error for anything that is not a file, and for a file with a write-ahead log, which SQLite would replay over
 * the copy
 */
function refuseDatabaseInUse(file: string): void {
  const there = statSync(file, { throwIfNoEntry: false });
  if (there && !there.isFile()) throw new Error(`${file} is not a file; name one for the backup.`);
  if (!existsSync(`${there ? realpathSync(file) : file}-wal`)) return;
  throw new Error(`${file}-wal exists: the file is in use, or was when a process was killed. Name another file.`);
}

async function withDecisions(
  { config, since, until }: LogOptions,
  use: (decisions: AsyncIterable<DecisionRecord>) => Promise<void>,
): Promise<void> {
  const log = openEventLog(loadConfig(configFile(config), process.env).config);
  const progress = new ProgressLine(process.stderr, systemClock);
  try {
    const onBatch = (share: number) => progress.update(`reading the log … ${Math.round(100 * share)} %`);
    await use(readDecisions(log, { since, until }, onBatch));
  } finally {
    progress.done();
    await log.close();
  }
}
