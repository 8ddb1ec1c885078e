/** By name, not by look-up: a name that leads to loopback today may lead elsewhere tomorrow. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}
