import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // A process for each of a hundred files would cost a third of the suite's time.
    pool: 'threads',
    // Only ever reached by what hangs; speed is judged in benchmarks.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Real sockets and a real database: two files at once is what two cores carry without stealing each other's time.
    maxWorkers: 2,
  },
});
