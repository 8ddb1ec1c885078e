import type { FastifyRequest } from 'fastify';
import type { GatewayError } from '../domain/errors.ts';
import type { Clock } from '../util/clock.ts';
import { LogThrottle } from '../util/log-throttle.ts';

/** Whoever sends one request a second that is refused finds each of them in the log; a flood takes no more room. */
const INTERVAL_MS = 1000;
/** Keys come and go with the config. Beyond this the oldest are forgotten, which costs a line at most. */
const MOST = 1000;

/** Logs the gateway's own refusals, so that the request id that a client was given leads to the reason. */
export class RefusalLog {
  readonly #clock: Clock;
  /** By key and code. */
  readonly #throttles = new Map<string, LogThrottle>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  tell({ log, id, method, gatewayKey }: FastifyRequest, { status, code }: GatewayError): void {
    const key = gatewayKey?.name;
    this.#throttleOf(JSON.stringify([key, status, code])).say((suppressed) =>
      // Neither the path nor the message: both may repeat what a client sent.
      log.info({ requestId: id, key, method, status, code, ...(suppressed > 0 && { suppressed }) }, 'request refused'),
    );
  }

  #throttleOf(name: string): LogThrottle {
    const known = this.#throttles.get(name);
    if (known) return known;
    for (const oldest of this.#throttles.keys()) {
      if (this.#throttles.size < MOST) break;
      this.#throttles.delete(oldest);
    }
    const throttle = new LogThrottle(this.#clock, INTERVAL_MS);
    this.#throttles.set(name, throttle);
    return throttle;
  }
}
