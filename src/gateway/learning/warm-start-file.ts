import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { LinearPolicy } from '../../bandit/linear-policy.ts';
import { parseWarmStart, type WarmStart } from '../../bandit/warm-start.ts';
import { messageOf } from '../../util/message-of.ts';

/** A warm start together with the hash of its file. */
export interface WarmStartFile extends WarmStart {
  /** SHA-256 of the file, in hexadecimal. It identifies the starting point of everything learned. */
  hash: string;
}

/**
 * Reads and validates a file that `mixllm train arms` wrote.
 * @param dimensions length of the contexts that `featureMap` makes
 * @throws Error that names the file and says what to do
 */
export function readWarmStart(file: string, featureMap: string, dimensions: number): WarmStartFile {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(
      `The warm start cannot be read: ${messageOf(error)}. Create it with mixllm train arms --out ${file}, or remove learning.warm_start from the config.`,
    );
  }
  const hash = createHash('sha256').update(text).digest('hex');
  const warmStart = usable(file, text);
  if (warmStart.featureMap !== featureMap || warmStart.dimensions !== dimensions) {
    throw new Error(
      `The warm start ${file} was made with feature map ${warmStart.featureMap}, but ${featureMap} is in use. Recreate it: ${warmStart.command}`,
    );
  }
  return { ...warmStart, hash };
}

function usable(file: string, text: string): WarmStart {
  try {
    const warmStart = parseWarmStart(text);
    // Solving fails for sums that no observations can have produced.
    new LinearPolicy(warmStart.dimensions).addSums(warmStart.sums);
    return warmStart;
  } catch (error) {
    throw new Error(`The warm start ${file} is damaged: ${messageOf(error)}. Recreate it with mixllm train arms.`);
  }
}
