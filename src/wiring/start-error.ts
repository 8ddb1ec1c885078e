/** A start that cannot succeed; the message says what to do. */
export class StartError extends Error {}
