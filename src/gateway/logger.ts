/** The subset of pino's interface that the gateway uses. Log structured fields, and never prompts or keys. */
export interface Logger {
  info(fields: object, message: string): void;
  info(message: string): void;
  warn(fields: object, message: string): void;
  warn(message: string): void;
  error(fields: object, message: string): void;
  error(message: string): void;
}
