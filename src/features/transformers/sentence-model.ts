import type { PreTrainedModel, PreTrainedTokenizer, Tensor } from '@huggingface/transformers';
import { filesOf, fingerprintOf, missingFiles, placeOfModel } from './model-files.ts';
import type { ModelFacts, ThreadData } from './protocol.ts';

type Library = typeof import('@huggingface/transformers');

/** One core for the model, because the gateway itself needs the others. */
const SESSION_OPTIONS = { intraOpNumThreads: 1, interOpNumThreads: 1 };

const HUB = 'https://huggingface.co/';

/**
 * A sentence-embedding model: the mean of the last layer's token vectors, scaled to length 1. Inference blocks the
 * thread that it runs on.
 */
export class SentenceModel {
  readonly #library: Library;
  readonly #tokenizer: PreTrainedTokenizer;
  readonly #model: PreTrainedModel;
  readonly #maxTokens: number;
  readonly facts: ModelFacts;

  private constructor(
    library: Library,
    tokenizer: PreTrainedTokenizer,
    model: PreTrainedModel,
    maxTokens: number,
    facts: ModelFacts,
  ) {
    this.#library = library;
    this.#tokenizer = tokenizer;
    this.#model = model;
    this.#maxTokens = maxTokens;
    this.facts = facts;
  }

  /**
   * Reads the model from its folder, or fetches it from the hub on first use.
   * @throws Error that says what is missing
   */
  static async load({ model: name, dtype, maxTokens, cacheFolder }: ThreadData): Promise<SentenceModel> {
    const library = await loadLibrary();
    const { folder, hubName } = placeOfModel(name, cacheFolder);
    const { env, AutoModel, AutoTokenizer } = library;
    // The library would print the tokens of a text that the model fails on. Errors are thrown all the same.
    env.logLevel = library.LogLevel.NONE;
    if (hubName === null) {
      env.allowRemoteModels = false;
      env.localModelPath = '';
      const missing = missingFiles(folder, dtype);
      if (missing.length > 0) throw new Error(`${folder} lacks ${missing.join(', ')}`);
    } else {
      useHub(env, cacheFolder, filesOf(dtype));
    }
    const source = hubName ?? folder;
    const tokenizer = await AutoTokenizer.from_pretrained(source);
    const model = await AutoModel.from_pretrained(source, { dtype, session_options: SESSION_OPTIONS });
    const longest = Math.min(maxTokens, tokenizer.model_max_length || maxTokens);
    const facts = { width: 0, fingerprint: fingerprintOf(folder, dtype) };
    const loaded = new SentenceModel(library, tokenizer, model, longest, facts);
    facts.width = (await loaded.embed('a text')).length;
    return loaded;
  }

  async embed(text: string): Promise<Float32Array> {
    const ids = BigInt64Array.from(headAndTail(this.#tokenizer.encode(text), this.#maxTokens), BigInt);
    const tensor = (values: BigInt64Array) => new this.#library.Tensor('int64', values, [1, ids.length]);
    const mask = tensor(ids.map(() => 1n));
    const inputs = {
      input_ids: tensor(ids),
      attention_mask: mask,
      token_type_ids: tensor(new BigInt64Array(ids.length)),
    };
    const outputs: Record<string, Tensor | undefined> = await this.#model(inputs);
    const tokens = outputs.last_hidden_state ?? outputs.token_embeddings;
    if (!tokens) throw new Error('the model returns no token vectors: it is not a sentence-embedding model');
    return Float32Array.from(this.#library.mean_pooling(tokens, mask).normalize(2, -1).data as Float32Array);
  }
}

async function loadLibrary(): Promise<Library> {
  try {
    return await import('@huggingface/transformers');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new Error(
      'the optional package @huggingface/transformers is not installed (npm install @huggingface/transformers)',
    );
  }
}

function useHub(env: Library['env'], cacheFolder: string, required: readonly string[]): void {
  env.allowLocalModels = false;
  env.cacheDir = cacheFolder;
  // Hugging Face's own tools read this variable, which may name a mirror.
  env.remoteHost = `${process.env.HF_ENDPOINT ?? HUB}/`.replace(/\/+$/, '/');
  // The library treats every failed request as a missing file and fails later. Only a 404 for an optional file may
  // pass.
  env.fetch = async (address: string | URL | Request, init?: RequestInit) => {
    const url = String(address instanceof Request ? address.url : address);
    const refusal = (reason: string) => new Error(`${url} cannot be fetched: ${reason}`);
    const response = await fetch(address, init).catch(({ message, cause }: Error) => {
      throw refusal((cause instanceof Error && cause.message) || message);
    });
    const optional = response.status === 404 && !required.some((file) => url.endsWith(`/${file}`));
    if (response.ok || optional) return response;
    throw refusal(`status ${response.status}`);
  };
}

/** Keeps the beginning and the end, where the question usually is; the special tokens are the first and the last. */
function headAndTail(ids: readonly number[], longest: number): readonly number[] {
  if (ids.length <= longest) return ids;
  const head = Math.ceil(longest / 2);
  return [...ids.slice(0, head), ...ids.slice(ids.length - (longest - head))];
}
