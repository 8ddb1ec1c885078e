import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// Processes and threads that tests start read TypeScript: most of what they take is compiling it, and need not be done
// once for each of some three hundred.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('node_modules/.cache/compile', import.meta.url));

/**
 * Without a cache of earlier runs vitest starts with the largest files, and ends with a small one that kills a gateway
 * for fifteen seconds while the other core idles. So those that start processes go first.
 */
class ProcessesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const startsProcesses = ({ moduleId }: TestSpecification) => moduleId.includes('/test/cli/');
    return [...sorted.filter(startsProcesses), ...sorted.filter((file) => !startsProcesses(file))];
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // A process for each of a hundred files would cost a third of the suite's time.
    pool: 'threads',
    // Files of one thread share the modules: loading them anew for each took a quarter of the time. So no test may leave
    // something behind in a module or in the environment.
    isolate: false,
    // Only ever reached by what hangs; speed is judged in benchmarks.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Real sockets and a real database: two files at once is what two cores carry without stealing each other's time.
    maxWorkers: 2,
    sequence: { sequencer: ProcessesFirst },
  },
});
