import { Command, InvalidArgumentError, Option } from 'commander';

/**
 * Applies the command line to the defaults. An option accepts the same kind of value as its default: a whole number
 * from 1, a list of these, or a share if the default is below 1. With `--help`, an unknown option or an invalid value,
 * it prints a message and exits.
 */
export function options<Names extends string>(
  name: string,
  description: string,
  defaults: Record<Names, string>,
  argv: readonly string[] = process.argv,
): Record<Names, string> {
  const command = new Command(name).usage('-- [options]').description(description);
  for (const [option, usual] of Object.entries<string>(defaults)) {
    const check = (text: string) => checked(text, usual);
    command.addOption(new Option(`--${option} <value>`).default(usual).argParser(check));
  }
  return command.parse([...argv]).opts();
}

/** Validates a value; otherwise `--kills abc` would kill nothing and find nothing wrong. */
function checked(text: string, usual: string): string {
  if (/^0\.\d+$/.test(usual) && !(Number(text) >= 0 && Number(text) <= 1)) {
    throw new InvalidArgumentError('It must be a number from 0 to 1.');
  }
  if (/^\d+$/.test(usual) && !/^[1-9]\d*$/.test(text)) {
    throw new InvalidArgumentError('It must be a whole number of at least 1.');
  }
  if (/^\d+(,\d+)+$/.test(usual) && !/^[1-9]\d*(,[1-9]\d*)*$/.test(text)) {
    throw new InvalidArgumentError('It must be a comma-separated list of whole numbers of at least 1.');
  }
  return text;
}
