import { randomFillSync } from 'node:crypto';

const BYTES = 12;
/**
 * The first bytes hold the time in milliseconds, which lasts for 34 years, so that indexes of ids grow at their end
 * instead of all over.
 */
const TIME_BYTES = 5;
/** Random bytes for many ids are drawn at once, because most of the cost of a draw is the call. */
const pool = Buffer.allocUnsafe(BYTES * 256);
let used = pool.length;

/** An unguessable id with a readable prefix, e.g. `dec_9f…`: the time, then 56 random bits. */
export function newId(prefix: string): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  pool.writeUIntBE(Date.now() % 2 ** (8 * TIME_BYTES), used, TIME_BYTES);
  const id = `${prefix}_${pool.toString('hex', used, used + BYTES)}`;
  used += BYTES;
  return id;
}
