import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { watchFile } from '../../src/cli/watch-file.ts';
import { until } from '../support/until.ts';

it('sees a change, once, while another file of the folder is written all the time', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mixllm-watch-'));
  const file = join(folder, 'mixllm.yaml');
  writeFileSync(file, 'before');
  let changes = 0;
  const stop = watchFile(
    file,
    () => changes++,
    () => expect.unreachable('it can be watched'),
  );
  const writing = setInterval(() => appendFileSync(join(folder, 'mixllm.db-wal'), 'commit'), 20);
  try {
    writeFileSync(file, 'after');
    await until(() => changes > 0);
    await sleep(300);
    expect(changes).toBe(1);
  } finally {
    stop();
    clearInterval(writing);
    rmSync(folder, { recursive: true });
  }
});
