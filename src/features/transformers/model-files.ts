import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { EncodingSettings } from './protocol.ts';

export interface ModelPlace {
  /** Where the files are or, for a model on the hub, where they will be once fetched. */
  folder: string;
  /** Its name on the hub; null for a local folder. */
  hubName: string | null;
}

const HUB_NAME = /^[\w.-]+(\/[\w.-]+)?$/;

/**
 * @param model a folder or a name on the hub; an existing folder takes precedence
 * @throws Error when it can be neither
 */
export function placeOfModel(model: string, cacheFolder: string): ModelPlace {
  if (existsSync(model) && statSync(model).isDirectory()) return { folder: resolve(model), hubName: null };
  if (!HUB_NAME.test(model) || model.startsWith('.')) throw new Error(`there is no folder ${resolve(model)}`);
  return { folder: resolve(cacheFolder, model), hubName: model };
}

/** The files that are loaded, as paths in the model's folder. */
export function filesOf(dtype: EncodingSettings['dtype']): string[] {
  const weights = dtype === 'q8' ? 'onnx/model_quantized.onnx' : 'onnx/model.onnx';
  return ['config.json', 'tokenizer.json', 'tokenizer_config.json', weights];
}

/** The required files that do not exist. */
export function missingFiles(folder: string, dtype: EncodingSettings['dtype']): string[] {
  return filesOf(dtype).filter((file) => !existsSync(join(folder, file)));
}

/** SHA-256 over the names and contents of the model's files, in hexadecimal digits. */
export function fingerprintOf(folder: string, dtype: EncodingSettings['dtype']): string {
  const files = filesOf(dtype);
  // Weights beyond 2 GB are stored in a separate file next to the graph.
  const outside = `${files[files.length - 1]}_data`;
  const hash = createHash('sha256');
  for (const file of existsSync(join(folder, outside)) ? [...files, outside] : files) {
    const bytes = readFileSync(join(folder, file));
    hash.update(`${file} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex');
}
