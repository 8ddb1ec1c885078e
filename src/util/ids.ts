import { randomBytes } from 'node:crypto';

/** An unguessable id with a readable prefix, e.g. `dec_9f…` (96 random bits). */
export function newId(prefix: string): string {
  return `${prefix}_${randomBytes(12).toString('hex')}`;
}
