import { existsSync, realpathSync, statSync } from 'node:fs';
import { loadConfig } from '../config/load.ts';
import { type DecisionRecord, type Period, readDecisions } from '../offline/log/decision-records.ts';
import { exportRow } from '../offline/log/export-row.ts';
import { LogSummarizer } from '../offline/log/log-summary.ts';
import { systemClock } from '../util/clock.ts';
import { streamJsonLines, writeJsonLines } from '../util/write-json-lines.ts';
import { refuseToOverwrite, writingWhole } from '../util/write-whole.ts';
import { openEventLog } from '../wiring/event-reader.ts';
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
