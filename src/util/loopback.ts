/** Decides by name, not by look-up: a name that resolves to loopback today may resolve to another host tomorrow. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}
