/** Anthropic demands a limit; this one is within every model's own. */
export const DEFAULT_MAX_TOKENS = 4096;
