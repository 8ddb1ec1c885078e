/** Waits for what other threads or processes do; takes long only in a test that fails. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`Waited in vain for ${holds}.`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
