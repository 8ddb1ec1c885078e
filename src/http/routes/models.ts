import type { FastifyInstance } from 'fastify';
import { AUTO } from '../../domain/auto-model.ts';
import { modelNotFound } from '../../gateway/model-choice.ts';
import type { KeyLimits, Runtime } from '../../gateway/runtime.ts';
import type { ServerParts } from '../parts.ts';

export function modelRoutes(server: FastifyInstance, { runtime, clock }: ServerParts): void {
  // OpenAI gives the time a model was made; the gateway knows when it began to offer it.
  const created = Math.floor(clock.now() / 1000);

  const list = (key: KeyLimits | null) =>
    modelIds(runtime(), key).map(({ id, ownedBy }) => ({ id, object: 'model', created, owned_by: ownedBy }));

  server.get('/v1/models', async (request) => ({ object: 'list', data: list(request.gatewayKey) }));

  // A wildcard: ids may have slashes (meta-llama/…), which clients send as they are.
  server.get<{ Params: { '*': string } }>('/v1/models/*', async (request) => {
    const id = request.params['*'];
    const model = list(request.gatewayKey).find((candidate) => candidate.id === id);
    if (!model) throw modelNotFound(id);
    return model;
  });
}

function modelIds({ namedWeights, arms }: Runtime, key: KeyLimits | null): { id: string; ownedBy: string }[] {
  return [
    { id: AUTO, ownedBy: 'mixllm' },
    ...[...namedWeights.keys()].map((name) => ({ id: `${AUTO}:${name}`, ownedBy: 'mixllm' })),
    ...arms
      .filter((arm) => !key?.models || key.models.has(arm.id))
      .map((arm) => ({ id: arm.id, ownedBy: arm.provider })),
  ];
}
