import type { Config } from '../config/schema.ts';

/** Sections that are read once, at the start; of `learning` it is `warm_start` alone. */
const FIXED = ['server', 'storage', 'embedding', 'logging'] as const;

/** Names of the settings that a new config changes and a running gateway does not. */
export function waitingForStart(next: Config, running: Config): string[] {
  const changed: string[] = FIXED.filter((name) => JSON.stringify(next[name]) !== JSON.stringify(running[name]));
  return next.learning.warm_start === running.learning.warm_start ? changed : [...changed, 'learning.warm_start'];
}

/** The new config, but for what stays as it was at the start. */
export function asStarted(next: Config, running: Config): Config {
  const { server, storage, embedding, logging } = running;
  const learning = { ...next.learning, warm_start: running.learning.warm_start };
  return { ...next, server, storage, embedding, logging, learning };
}
