import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** Children that must not outlive this process, however it ends. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** The gateway as operators run it: in a separate process, which can be killed. */
export class ServeProcess {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #output: string[];

  private constructor(url: string, child: ChildProcess, output: string[]) {
    this.url = url;
    this.#child = child;
    this.#output = output;
  }

  /**
   * Resolves once the gateway listens; rejects with its output when it ends before that.
   * @param config path of the config file
   */
  static async start(config: string, options: SpawnOptions = {}): Promise<ServeProcess> {
    const child = spawn(process.execPath, [MAIN, 'serve', '--config', config], {
      env: { PATH: process.env.PATH ?? '' },
      ...options,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    const output: string[] = [];
    const url = await new Promise<string>((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream?.setEncoding('utf8').on('data', (text: string) => {
          output.push(text);
          const match = output.join('').match(/listens on (http:\/\/[^/]+)\/v1/);
          if (match) resolve(match[1]);
        });
      }
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`serve ended with ${code}: ${output.join('')}`)));
    });
    return new ServeProcess(url, child, output);
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** Everything that the process has written. */
  get output(): string {
    return this.#output.join('');
  }

  /** Resolves with the exit code, or null for a process that was killed. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode;
    const exited = once(this.#child, 'exit');
    this.#child.kill(signal);
    await exited;
    return this.#child.exitCode;
  }
}
