import type { Config } from '../config/schema.ts';

/** Sections that are read only at the start; of `learning`, only `warm_start` is. */
const FIXED = ['server', 'storage', 'embedding', 'logging'] as const;

/** Names of the settings that the new config changes but that a running gateway does not apply. */
export function waitingForStart(next: Config, running: Config): string[] {
  const changed: string[] = FIXED.filter((name) => JSON.stringify(next[name]) !== JSON.stringify(running[name]));
  return next.learning.warm_start === running.learning.warm_start ? changed : [...changed, 'learning.warm_start'];
}

/** The new config, except for the settings that stay as they were at the start. */
export function asStarted(next: Config, running: Config): Config {
  const fixed = Object.fromEntries(FIXED.map((name) => [name, running[name]]));
  const learning = { ...next.learning, warm_start: running.learning.warm_start };
  return { ...next, ...fixed, learning };
}
