import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { invalidRequest } from '../../domain/errors.ts';
import { activeRatings, IMPLICIT } from '../../domain/ratings.ts';
import { plainWords } from '../../util/plain-words.ts';
import { bodyOf } from '../json-body.ts';
import type { ServerParts } from '../parts.ts';
import { renderDecisionRecord } from '../render-decision.ts';

/**
 * Large enough for the longest comment, however it is escaped. Ratings are not limited by `rpm`, so each must be cheap
 * to read.
 */
const MAX_BODY_BYTES = 256 * 1024;

/** All optional fields accept null, because typed clients send null for fields that they leave out. */
const ratingBody = z
  .strictObject({
    id: z.string().min(1).max(512),
    score: z.number().min(0).max(1).nullish(),
    rating: z.enum(['up', 'down']).nullish(),
    source: z
      .string()
      .regex(/^[\w.:-]{1,64}$/, 'must be 1 to 64 letters, digits or any of _ . : -')
      .refine(
        (source) => !source.startsWith(IMPLICIT),
        `must not begin with "${IMPLICIT}", which is reserved for the gateway`,
      )
      .nullish(),
    comment: z.string().max(10_000).nullish(),
    idempotency_key: z.string().min(1).max(256).nullish(),
  })
  .refine(({ score, rating }) => (score == null) !== (rating == null), {
    message: 'Give either "score" (0 to 1) or "rating" ("up" or "down").',
    path: ['score'],
  });

export function feedbackRoutes(server: FastifyInstance, { feedback }: ServerParts): void {
  const rate = async (request: FastifyRequest, reply: FastifyReply) => {
    const body = validRating(bodyOf(request).value);
    const feedbackId = await feedback.rate(
      {
        id: body.id,
        score: body.score ?? (body.rating === 'up' ? 1 : 0),
        source: body.source ?? 'user',
        comment: body.comment ?? null,
        idempotencyKey: body.idempotency_key ?? null,
      },
      request.gatewayKey,
    );
    return reply.code(202).send({ feedback_id: feedbackId });
  };
  const withdraw = async (request: FastifyRequest<{ Params: { id: string } }>) => {
    const { id } = request.params;
    await feedback.withdraw(id, request.gatewayKey);
    return { feedback_id: id, withdrawn: true };
  };
  for (const path of ['/feedback', '/v1/feedback']) {
    server.post(path, { bodyLimit: MAX_BODY_BYTES }, rate);
    server.delete(`${path}/:id`, withdraw);
  }

  server.get<{ Params: { id: string } }>('/v1/decisions/:id', async (request) => {
    const events = await feedback.events(request.params.id, request.gatewayKey);
    return renderDecisionRecord(events, activeRatings(events));
  });
}

function validRating(value: unknown): z.infer<typeof ratingBody> {
  const parsed = ratingBody.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const param = issue.path.join('.') || (issue.code === 'unrecognized_keys' ? issue.keys[0] : null);
  // Zod reports a missing field as a field of the wrong type.
  const told = issue.message.endsWith('received undefined') ? 'it is missing' : plainWords(issue.message);
  throw invalidRequest(issue.path.length > 0 ? `"${param}": ${told}` : told, param);
}
