import { Command } from 'commander';

/** What the command line says, over the defaults. With `--help`, or an option that there is not, it says so and ends. */
export function options<Names extends string>(
  name: string,
  description: string,
  defaults: Record<Names, string>,
): Record<Names, string> {
  const command = new Command(name).usage('-- [options]').description(description);
  for (const [option, value] of Object.entries<string>(defaults)) command.option(`--${option} <value>`, '', value);
  return command.parse().opts();
}
