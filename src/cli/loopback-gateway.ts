import pino from 'pino';
import { Gateway } from '../app.ts';
import { configSchema } from '../config/schema.ts';
import type { ProviderType } from '../domain/provider-type.ts';
import type { RecordedPrice } from '../recorded/recorded-prices.ts';
import type { TagCount } from '../recorded/tag-shares.ts';
import { seededRandom } from '../util/random.ts';
import { LogOutput } from './log-output.ts';

export interface LoopbackModel {
  id: string;
  format: ProviderType;
  /** Address of its simulated upstream. */
  url: string;
  upstreamModel: string;
  price: { input: number; cached_input?: number; output: number };
}

/** The recorded models, all served by one upstream. */
function recordedModels(prices: readonly RecordedPrice[], url: string): LoopbackModel[] {
  return prices.map(({ model, input, output }) => ({
    id: model,
    format: 'openai',
    url,
    upstreamModel: model,
    price: { input, output },
  }));
}

/**
 * Starts the gateway itself, configured for simulated upstreams on loopback, with its event log in memory and a seed
 * for its random choices. Warnings and errors go to standard error.
 */
export async function startLoopbackGateway(
  models: readonly LoopbackModel[],
  reference: string,
  seed: number,
): Promise<{ gateway: Gateway; url: string }> {
  const checked = configSchema.safeParse({
    server: { port: 0, shutdown_s: 2 },
    providers: Object.fromEntries(
      models.map(({ id, format, url }) => [providerName(id), { type: format, base_url: url, api_key: 'simulated' }]),
    ),
    models: models.map(({ id, upstreamModel, price }) => ({
      id,
      provider: providerName(id),
      model: upstreamModel,
      price,
    })),
    routing: { reference },
    storage: { url: 'sqlite::memory:' },
    logging: { level: 'warn' },
  });
  if (!checked.success) throw new Error(explain(models, checked.error.issues[0]));
  const config = checked.data;
  // There are only few lines, so dropped ones need not be reported.
  const log = pino({ level: 'warn' }, new LogOutput(() => {}, 2));
  const gateway = new Gateway({ config, missingKeys: new Map() }, { log, random: seededRandom(seed) });
  return { gateway, url: await gateway.listen() };
}

/** Starts the gateway for recorded outcomes. Closes their upstream if the gateway refuses their names or prices. */
export async function startRecordedGateway(
  upstream: { url: string; close(): Promise<void> },
  prices: readonly RecordedPrice[],
  reference: string,
  seed: number,
): Promise<{ gateway: Gateway; url: string }> {
  try {
    return await startLoopbackGateway(recordedModels(prices, upstream.url), reference, seed);
  } catch (error) {
    await upstream.close();
    throw error;
  }
}

/** How often the gateway chose each model for each tag. */
export async function tagCounts(gateway: Gateway): Promise<TagCount[]> {
  const { values } = await gateway.metrics.tagDecisions.get();
  return values.map(({ labels, value }) => ({
    tag: String(labels.tag),
    model: String(labels.model),
    decisions: value,
  }));
}

/**
 * Explains a problem with a model's name or price, which may come from a file that does not follow the gateway's rules.
 */
function explain(
  models: readonly LoopbackModel[],
  { path, message }: { path: PropertyKey[]; message: string },
): string {
  const [section, place, ...field] = path;
  const name = section === 'models' ? models[Number(place)]?.id : undefined;
  if (name === undefined) return `${path.join('.')}: ${message}`;
  return `"${name}" cannot be a model of the gateway: ${field.join('.')}: ${message}. Change it in the file.`;
}

/** Provider names are more restricted than model names. */
function providerName(model: string): string {
  return model.replace(/[^\w.-]/g, '-').slice(0, 64);
}
