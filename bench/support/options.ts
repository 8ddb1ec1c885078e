import { Command, InvalidArgumentError, Option } from 'commander';

/**
 * What the command line says, over the defaults: whole numbers from 1 where the default is one, or a list of them where
 * that is one; a share where that is below 1. With `--help`, an option that there is not, or a wrong value, it says so
 * and ends.
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

/** Otherwise `--kills abc` would kill nothing, and find nothing wrong. */
function checked(text: string, usual: string): string {
  if (/^0\.\d+$/.test(usual) && !(Number(text) >= 0 && Number(text) <= 1)) {
    throw new InvalidArgumentError('It must be a number from 0 to 1.');
  }
  if (/^\d+$/.test(usual) && !/^[1-9]\d*$/.test(text)) {
    throw new InvalidArgumentError('It must be a whole number from 1.');
  }
  if (/^\d+(,\d+)+$/.test(usual) && !/^[1-9]\d*(,[1-9]\d*)*$/.test(text)) {
    throw new InvalidArgumentError('It must be whole numbers from 1, with commas between them.');
  }
  return text;
}
