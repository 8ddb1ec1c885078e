import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { loadReplayPolicy, type ReplayPolicy } from '../config/replay-policy.ts';
import type { Period } from '../offline/log/decision-records.ts';
import { type ReplayStart, replayLog } from '../offline/replay/replay-log.ts';
import { type ReplayReport, replayReport } from '../offline/replay/report.ts';
import type { EventReader } from '../store/event-store.ts';
import { systemClock } from '../util/clock.ts';
import { openEventLog } from '../wiring/event-reader.ts';
import { startReplayLearner } from '../wiring/replay-learner.ts';
import { configFile } from './config-file.ts';
import { print } from './print.ts';
import { ProgressLine } from './progress-line.ts';
import { renderReplay } from './replay-table.ts';

export interface ReplayOptions extends Period {
  config?: string;
  /** File with the policy to evaluate. */
  policy: string;
  json?: boolean;
}

/**
 * `mixllm replay`: estimates from the log alone what results another policy would have achieved; exits with 1 when the
 * log does not allow an estimate.
 */
export async function replay({ config, policy: file, json, since, until }: ReplayOptions): Promise<void> {
  const policy = loadReplayPolicy(file);
  const loaded = loadConfig(configFile(config), process.env);
  const log = openEventLog(loaded.config);
  const report = await reportOf(log, loaded, policy, { since, until }).finally(() => log.close());
  print(json ? JSON.stringify(report, null, 2) : renderReplay(report));
  if (report.refused) process.exitCode = 1;
}

async function reportOf(
  log: EventReader,
  loaded: LoadedConfig,
  policy: ReplayPolicy,
  period: Period,
): Promise<ReplayReport> {
  const progress = new ProgressLine(process.stderr, systemClock);
  const onBatch = (share: number) => progress.update(`replaying the log … ${Math.round(100 * share)} %`);
  try {
    const startLearner = (start: ReplayStart) => startReplayLearner(loaded, start);
    return replayReport(await replayLog(log, period, policy, startLearner, onBatch), policy, period);
  } finally {
    progress.done();
  }
}
