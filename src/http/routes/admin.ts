import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isJsonObject, type JsonObject } from '../../domain/chat.ts';
import { invalidRequest } from '../../domain/errors.ts';
import type { ModelStatus } from '../../gateway/model-admin.ts';
import { modelNotFound } from '../../gateway/model-choice.ts';
import { bodyOf } from '../json-body.ts';
import type { ServerParts } from '../parts.ts';
import { rounded } from '../rounded.ts';

type WithId = FastifyRequest<{ Params: { '*': string } }>;

const RESET = '/reset';

/** Uses wildcards, because ids may contain slashes (meta-llama/…), which clients send unescaped. */
export function adminRoutes(server: FastifyInstance, { models }: ServerParts): void {
  const by = (request: FastifyRequest) => request.gatewayKey?.name ?? null;
  const idOf = (request: FastifyRequest) => (request as WithId).params['*'];

  server.get('/admin/models', async () => ({ object: 'list', data: models.list().map(renderModel) }));

  server.get('/admin/models/*', async (request) => renderModel(models.get(idOf(request))));

  server.post('/admin/models', async (request, reply) => {
    const added = await models.add(objectBody(request), by(request));
    return reply.code(201).send(renderModel(added));
  });

  server.patch('/admin/models/*', async (request) =>
    renderModel(await models.change(idOf(request), objectBody(request), by(request))),
  );

  server.delete('/admin/models/*', async (request) => renderModel(await models.retire(idOf(request), by(request))));

  server.post('/admin/models/*', async (request) => {
    const path = idOf(request);
    if (!path.endsWith(RESET)) throw modelNotFound(path);
    return renderModel(await models.reset(path.slice(0, -RESET.length), by(request)));
  });
}

/** Renders the model as a config entry, together with what else is known about it. */
function renderModel(status: ModelStatus) {
  const { id, source, state, model, changed, problems, ratings, inFlight, snapshotChange, drift } = status;
  return {
    ...model,
    id,
    object: 'mixllm.model',
    state,
    source,
    // The admins' changes; `problem` says why some of them cannot take effect.
    changed,
    problem: problems.length === 0 ? null : problems.map(describeProblem).join('; '),
    ratings: rounded(ratings),
    in_flight: inFlight,
    snapshot_change: snapshotChange && {
      from: snapshotChange.from,
      to: snapshotChange.to,
      created: Math.floor(snapshotChange.time / 1000),
      remains: snapshotChange.remains,
    },
    drift: drift && {
      direction: drift.direction,
      statistic: drift.statistic,
      threshold: drift.threshold,
      created: Math.floor(drift.time / 1000),
      remains: drift.remains,
    },
  };
}

function objectBody(request: FastifyRequest): JsonObject {
  const { value } = bodyOf(request);
  if (!isJsonObject(value)) throw invalidRequest('The body must be a JSON object.');
  return value;
}

function describeProblem({ param, message }: ModelStatus['problems'][number]): string {
  return param ? `${param}: ${message}` : message;
}
