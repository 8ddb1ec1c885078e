import type { FastifyInstance } from 'fastify';
import { AUTO } from '../../domain/auto-model.ts';
import { chooseModel } from '../../gateway/model-choice.ts';
import type { KeyLimits, Runtime } from '../../gateway/runtime.ts';
import type { ServerParts } from '../parts.ts';

const AUTO_OWNER = 'mixllm';

export function modelRoutes(server: FastifyInstance, { runtime, clock }: ServerParts): void {
  // OpenAI reports when a model was created; the gateway knows only when it began to offer models.
  const created = Math.floor(clock.now() / 1000);

  const shown = (id: string, ownedBy: string) => ({ id, object: 'model', created, owned_by: ownedBy });
  const list = (key: KeyLimits | null) => modelIds(runtime(), key).map(({ id, ownedBy }) => shown(id, ownedBy));

  server.get('/v1/models', async (request) => ({ object: 'list', data: list(request.gatewayKey) }));

  // A wildcard, because ids may contain slashes (meta-llama/…), which clients send unescaped.
  server.get<{ Params: { '*': string } }>('/v1/models/*', async (request) => {
    const id = request.params['*'];
    const listed = list(request.gatewayKey).find((candidate) => candidate.id === id);
    if (listed) return listed;
    // Aliases and numeric weights are not in the list, but a client that checks its model's name may use them.
    chooseModel(id, null, request.gatewayKey, runtime());
    return shown(id, AUTO_OWNER);
  });
}

function modelIds({ namedWeights, arms }: Runtime, key: KeyLimits | null): { id: string; ownedBy: string }[] {
  return [
    { id: AUTO, ownedBy: AUTO_OWNER },
    ...[...namedWeights.keys()].map((name) => ({ id: `${AUTO}:${name}`, ownedBy: AUTO_OWNER })),
    ...arms
      .filter((arm) => !key?.models || key.models.has(arm.id))
      .map((arm) => ({ id: arm.id, ownedBy: arm.provider })),
  ];
}
