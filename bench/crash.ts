/**
 * Kills the gateway (SIGKILL) repeatedly at random moments, under load with ratings, and checks its log.
 *
 * `npm run bench:crash -- [--kills 30] [--seed 1]`
 */
import { crashRun } from './support/crash-run.ts';
import { options } from './support/options.ts';

const values = options('bench:crash', 'Kills the gateway at random moments under load, and checks its log.', {
  kills: '30',
  seed: '1',
});
const report = await crashRun({
  kills: Number(values.kills),
  seed: Number(values.seed),
  answersPerLife: 120,
  log: console.log,
});
console.log(
  `${report.kills} kills and ${report.restarts} clean restarts; ${report.answers} answers, ` +
    `${report.acknowledged} ratings acknowledged, ${report.repeated} resent after a crash, ${report.withdrawn} withdrawn`,
);
console.log(`acknowledged ratings that are missing:      ${report.missing.length}`);
console.log(`ratings in the log more than once:          ${report.doubled.length}`);
console.log(`ratings that count, by the log / learner:   ${report.counted.log} / ${report.counted.learner}`);
console.log(`predictions that differ from a clean replay: ${report.differing} of ${report.compared}`);
process.exitCode = report.ok ? 0 : 1;
