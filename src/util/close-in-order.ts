/**
 * Runs every step in turn, even after one has failed, because anything left open holds sockets, files and threads.
 * @throws the first failure, once all steps have run
 */
export async function closeInOrder(...steps: readonly (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
