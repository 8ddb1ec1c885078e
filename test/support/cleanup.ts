import { afterEach } from 'vitest';

/** Closes what a test opened, newest first: a gateway closes before the upstreams that it is connected to. */
export function cleanup(): <T extends { close(): Promise<void> }>(resource: T) => T {
  let open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    const resources = open.reverse();
    open = [];
    for (const resource of resources) await resource.close();
  });
  return (resource) => {
    open.push(resource);
    return resource;
  };
}
