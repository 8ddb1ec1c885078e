import type { FastifyRequest } from 'fastify';
import { expect, it } from 'vitest';
import { GatewayError } from '../../src/domain/errors.ts';
import { RefusalLog } from '../../src/http/refusal-log.ts';
import { ManualClock } from '../support/manual-clock.ts';

function setUp() {
  const [clock, lines] = [new ManualClock(), [] as Record<string, unknown>[]];
  const log = { info: (line: Record<string, unknown>) => lines.push(line) };
  const refusals = new RefusalLog(clock);
  const refuse = (name: string, param: string | null = null) => {
    const request = { log, id: 'req_1', method: 'POST', gatewayKey: { name } } as unknown as FastifyRequest;
    refusals.tell(request, new GatewayError(400, 'no', { param }));
  };
  return { clock, lines, refuse };
}

it('writes at most 1000 refusals per second in total, and continues in the next second', () => {
  const { clock, lines, refuse } = setUp();
  for (let round = 0; round < 5; round++) for (let i = 0; i < 3000; i++) refuse(`key-${i}`);
  expect(lines).toHaveLength(1000);
  clock.advance(1000);
  refuse('key-2999');
  expect(lines).toHaveLength(1001);
});

it('logs only known API fields, and nothing that a client may have made up', () => {
  const { lines, refuse } = setUp();
  const params = ['messages[3].content', 'x-mixllm-weight', 'sk-Secret0123456789', 'my_own_words', 'temperature', null];
  for (const [i, param] of params.entries()) refuse(`key-${i}`, param);
  const none = undefined;
  expect(lines.map(({ param }) => param)).toEqual(['messages', 'x-mixllm-weight', none, none, 'temperature', none]);
});
