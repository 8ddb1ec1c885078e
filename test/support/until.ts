/** Waits for other threads or processes; takes long only if the test fails. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`Waited in vain for ${holds}.`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
