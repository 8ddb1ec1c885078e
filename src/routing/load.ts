/**
 * Calls under way per arm, counted where the calls are made. Each process has its own count, so the expected wait
 * covers only this gateway's own traffic.
 */
export class Load {
  #inFlight = new Map<string, number>();

  inFlight(arm: string): number {
    return this.#inFlight.get(arm) ?? 0;
  }

  /** Arms with calls under way. */
  busy(): string[] {
    return [...this.#inFlight.keys()];
  }

  /** Counts a call to the arm until the returned function is called. Calling it again has no effect. */
  enter(arm: string): () => void {
    this.#inFlight.set(arm, this.inFlight(arm) + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const others = this.inFlight(arm) - 1;
      if (others > 0) this.#inFlight.set(arm, others);
      // Models come and go, so those without calls must not take up memory.
      else this.#inFlight.delete(arm);
    };
  }
}

/**
 * Expected seconds until one more request to an arm would begin: Ŵ = max(0, in flight + 1 − slots) / slots · mean
 * service time.
 */
export function expectedWait(inFlight: number, slots: number, serviceSeconds: number): number {
  return (Math.max(0, inFlight + 1 - slots) / slots) * serviceSeconds;
}

export interface LatencyPenaltyOptions {
  /** τ: the latency budget of a request, in seconds. */
  budgetS: number;
  /** β: what a wait of ξτ costs in units of the score, before the value at no wait is subtracted. */
  beta: number;
  /** γ: how steeply the penalty rises. */
  gamma: number;
  /** ξ: the wait, as a share of τ, at which the penalty is β, before the value at no wait is subtracted. */
  xi: number;
  /** No penalty exceeds cap · β. */
  cap: number;
}

/**
 * β · min(exp(γ (Ŵ/τ − ξ)), cap) (after MixLLM, arXiv 2502.18482), minus its value at no wait. That constant is the
 * same for every arm; subtracting it gives an idle arm a penalty of 0.
 */
export function latencyPenalty(waitS: number, options: LatencyPenaltyOptions): number {
  if (waitS === 0) return 0;
  const shape = (wait: number) =>
    Math.min(Math.exp(options.gamma * (wait / options.budgetS - options.xi)), options.cap);
  return options.beta * (shape(waitS) - shape(0));
}
