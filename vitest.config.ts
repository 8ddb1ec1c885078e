import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    // Real sockets and a real database: two files at once is what two cores carry without stealing each other's time.
    maxWorkers: 2,
  },
});
