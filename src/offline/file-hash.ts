import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { messageOf } from '../util/message-of.ts';

/**
 * SHA-256 of a file in hexadecimal digits.
 * @throws Error that names the file
 */
export async function fileHash(file: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(file)) hash.update(chunk);
  } catch (error) {
    throw new Error(`Cannot read ${file}: ${messageOf(error)}`);
  }
  return hash.digest('hex');
}
