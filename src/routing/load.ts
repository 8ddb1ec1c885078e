/**
 * In-flight requests per arm, counted where they are made. Lives in one process: the expected wait is what this
 * gateway's own traffic causes.
 */
export class Load {
  #inFlight = new Map<string, number>();

  inFlight(arm: string): number {
    return this.#inFlight.get(arm) ?? 0;
  }

  /** Arms with calls under way. */
  busy(): string[] {
    return [...this.#inFlight].filter(([, calls]) => calls > 0).map(([arm]) => arm);
  }

  /** Counts a call to the arm until the returned function is called (once; more calls change nothing). */
  enter(arm: string): () => void {
    this.#inFlight.set(arm, this.inFlight(arm) + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#inFlight.set(arm, this.inFlight(arm) - 1);
    };
  }
}

/**
 * Expected seconds until a further request to an arm is begun:
 * Ŵ = max(0, in flight + 1 − slots) / slots · mean service time.
 */
export function expectedWait(inFlight: number, slots: number, serviceSeconds: number): number {
  return (Math.max(0, inFlight + 1 - slots) / slots) * serviceSeconds;
}

export interface LatencyPenaltyOptions {
  /** τ: the latency that a request should keep, in seconds. */
  budgetS: number;
  /** β: what a wait of ξτ costs in units of the score. */
  beta: number;
  /** γ: how steeply the penalty rises. */
  gamma: number;
  /** ξ: the wait, as a share of τ, at which the penalty is β. */
  xi: number;
  /** No penalty is above cap · β. */
  cap: number;
}

/**
 * β · min(exp(γ (Ŵ/τ − ξ)), cap) (after MixLLM, arXiv 2502.18482), less its value at no wait at all: that constant
 * is the same for every arm, and without it an idle arm shows a penalty of 0.
 */
export function latencyPenalty(waitS: number, options: LatencyPenaltyOptions): number {
  if (waitS === 0) return 0;
  const shape = (wait: number) =>
    Math.min(Math.exp(options.gamma * (wait / options.budgetS - options.xi)), options.cap);
  return options.beta * (shape(waitS) - shape(0));
}
