import { randomFillSync } from 'node:crypto';

const BYTES = 12;
/** Random bytes are drawn for many ids at once: most of the cost of a draw is the call. */
const pool = Buffer.allocUnsafe(BYTES * 256);
let used = pool.length;

/** An unguessable id with a readable prefix, e.g. `dec_9f…` (96 random bits). */
export function newId(prefix: string): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const id = `${prefix}_${pool.toString('hex', used, used + BYTES)}`;
  used += BYTES;
  return id;
}
