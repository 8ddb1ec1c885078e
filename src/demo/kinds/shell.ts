import type { QueryKind, Task } from './kind.ts';
import { FIRST_NAMES } from './words.ts';

const LOGS = ['nginx', 'postgres', 'app', 'auth', 'backup', 'cron', 'kernel', 'worker'] as const;
const FLAVOURS = ['PCRE', 'JavaScript', 'Go (RE2)', 'grep -E', 'Python re', 'Java'] as const;
const EXTENSIONS = ['log', 'csv', 'jpg', 'tmp', 'json', 'yaml', 'bak', 'md'] as const;

const tasks: Task[] = [
  {
    difficulty: 0.4,
    write: (d) =>
      `Write a regex (${d.pick(FLAVOURS)}) that matches ${d.pick(['an ISO date', 'an IPv4 address', 'a semantic version', 'a hex colour', 'a licence plate like AB-1234-C', 'a UK postcode', 'a quoted string with escaped quotes', 'a number with thousands separators'])} but not ${d.pick(['when it is inside parentheses', 'inside a comment', 'if it is followed by a letter', 'at the start of a line', 'with leading zeros'])}. At most ${d.int(1, 9)} per line, capture the ${d.pick(['first', 'last', 'middle'])} part.`,
  },
  {
    difficulty: 0.25,
    write: (d) =>
      `bash one-liner: ${d.pick(['delete', 'list', 'gzip', 'count', 'move to /archive'])} all .${d.pick(EXTENSIONS)} files under /var/${d.pick(LOGS)} ${d.pick(['older than', 'newer than', 'not read for'])} ${d.int(2, 400)} days and larger than ${d.int(1, 900)}${d.pick(['k', 'M'])}, skipping ${d.pick(['hidden folders', 'symlinks', 'anything called keep', 'node_modules'])}`,
  },
  {
    difficulty: 0.45,
    write: (d) => {
      const log = d.pick(LOGS);
      const lines = [1, 2, 3].map(
        () =>
          `10.0.${d.int(0, 9)}.${d.int(2, 250)} - - [${d.int(10, 28)}/Oct/2025:${d.int(10, 23)}:${d.int(10, 59)}] "GET /v${d.int(1, 3)}/items/${d.int(1, 999)}" ${d.pick([200, 404, 500, 502])} ${d.int(80, 90000)}`,
      );
      return `My ${log}.log looks like this:\n\n${lines.join('\n')}\n\nGive me an awk command that prints the ${d.int(3, 25)} ${d.pick(['paths with most 5xx', 'addresses with the most bytes', 'busiest minutes', 'slowest hours'])}, sorted.`;
    },
  },
  {
    difficulty: 0.35,
    write: (d) =>
      `How do I ${d.pick(['undo the last', 'squash the last', 'move the last', 'cherry-pick the last', 'find which one broke the build in the last'])} ${d.int(2, 30)} commits on branch ${d.pick(['feature', 'fix', 'spike', 'release'])}/${d.pick(FIRST_NAMES).toLowerCase()}-${d.int(10, 999)} in git ${d.pick(['without losing my changes', 'after I already pushed', 'when there is a merge in between', 'and keep the author dates'])}?`,
  },
  {
    difficulty: 0.65,
    write: (d) =>
      `Write a bash script that takes a directory and ${d.pick(['rsyncs it to', 'verifies checksums against', 'builds a tarball for', 'rotates backups on'])} host${d.int(1, 60)}.internal. It has to: use set -euo pipefail, take a lock so that two runs never overlap, keep the last ${d.int(3, 30)} runs, log to syslog, exit with code ${d.int(2, 9)} when the disk has less than ${d.int(1, 50)} GB left, and clean up its temp files on ctrl-C. File names may contain spaces and line breaks.`,
  },
  {
    difficulty: 0.2,
    write: (d) =>
      `crontab line for every ${d.pick(['second', 'third', 'last', 'first'])} ${d.pick(['Monday', 'Friday', 'Sunday', 'weekday'])} of the month at ${d.int(0, 23)}:${d.int(10, 59)}? it runs /opt/${d.pick(LOGS)}/run-${d.int(1, 99)}.sh`,
  },
  {
    difficulty: 0.5,
    write: (d) =>
      `sed or awk: in all *.${d.pick(EXTENSIONS)} files replace \`timeout: ${d.int(5, 90)}\` by \`timeout: ${d.int(91, 600)}\`, but only in the block that starts with \`[${d.pick(LOGS)}]\` and ends at the next empty line. Must work on ${d.pick(['macOS', 'Alpine (busybox)', 'Debian', 'FreeBSD'])}. What does each part do?`,
  },
];

export const SHELL: QueryKind = {
  id: 'shell',
  share: 0.8,
  tasks,
  openers: ['', '', '', '', 'quick one: ', 'Linux question, '],
  closers: ['', '', '', ' no perl please', ' Explain it.'],
};
