import { disabledProviders, enabledArms } from '../config/arms.ts';
import { ConfigError } from '../config/config-error.ts';
import type { Config, ModelConfig } from '../config/schema.ts';
import type { WarmStartFile } from '../gateway/learning/warm-start-file.ts';
import { StartError } from '../wiring/start-error.ts';
import { checkStart } from './check-start.ts';
import { loadWithOverrides } from './load-with-overrides.ts';
import { printable, tell } from './print.ts';

/** Prints what a config means; exits with 1 when it cannot be used. */
export function check(file: string): void {
  try {
    const loaded = loadWithOverrides(file, process.env);
    const { embedding, warmStart } = checkStart(loaded);
    const arms = enabledArms(loaded);
    const { length: models } = loaded.config.models;
    console.log(`${file} is valid: ${models} model${models === 1 ? '' : 's'}, of which ${arms.length} can be called.`);
    for (const arm of arms) {
      const able = arm.capabilities.length > 0 ? arm.capabilities.join(', ') : 'text only';
      console.log(
        `  ${arm.id}: ${arm.provider} ${arm.upstreamModel}, $${arm.price.input} in / $${arm.price.output} out per million tokens, ${able}`,
      );
    }
    console.log(`  ${embedding}`);
    if (warmStart) console.log(describeWarmStart(warmStart, loaded.config));
    if (arms.length === 0) console.log('  note: the gateway does not start without a model that can be called');
    for (const line of [...disabledProviders(loaded), ...loaded.config.models.flatMap(unlikelyPrice)])
      console.log(`  note: ${line}`);
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof StartError)) throw error;
    tell(error.message);
    process.exitCode = 1;
  }
}

/** The dearest token costs less than this, the cheapest million more. */
const LEAST_USD_PER_MILLION = 0.001;

/** LiteLLM's prices are per token: taken for prices per million, no budget would ever bind. */
function unlikelyPrice({ id, price }: ModelConfig): string[] {
  const { input, output, long_prompt: long } = price;
  const low = [input, output, ...(long ? [long.input, long.output] : [])].find(
    (usd) => usd > 0 && usd < LEAST_USD_PER_MILLION,
  );
  return low === undefined ? [] : [`${id}: $${low} looks like the price of one token; prices are per million tokens`];
}

function describeWarmStart({ sums }: WarmStartFile, { models }: Config): string {
  const ids = [...new Set([...sums.quality.keys(), ...sums.length.keys()])];
  const strangers = ids.filter((id) => !models.some((model) => model.id === id)).map(printable);
  const told = ids.map((id) => `${printable(id)} ${Number((sums.quality.get(id)?.weight ?? 0).toFixed(2))}`).join(', ');
  const note = strangers.length > 0 ? `; not in this config: ${strangers.join(', ')}` : '';
  return `  warm start: ratings of ${told}${note}`;
}
