import type { FastifyPluginAsync } from 'fastify';
import { RequestProblem } from '../errors.ts';
import type { KindRegistry } from '../kinds/registry.ts';
import type { CheckpointCodec } from '../protocol/checkpoint.ts';
import { type PullQuery, pullQuerySchema } from '../protocol/pull.ts';
import { parseQuery } from '../protocol/query.ts';
import type { SyncStore } from '../storage/store.ts';
import { readSince, toFeedQuery, toPullAnswer } from './feed.ts';

export interface PullDeps {
  readonly kinds: KindRegistry;
  readonly store: Pick<SyncStore, 'readPage'>;
  readonly checkpoints: CheckpointCodec;
}

/** `GET /api/sync/changes`: what changed since a checkpoint, page by page. */
export const pullRoutes: FastifyPluginAsync<PullDeps> = async (app, deps) => {
  const { kinds, store, checkpoints } = deps;

  app.get('/api/sync/changes', { config: { scope: 'sync:pull' } }, async (request, reply) => {
    const query = parseQuery(pullQuerySchema, request.query);
    const scope = {
      tenantId: request.actor.tenantId,
      entityTypes: knownTypes(query, kinds),
    };
    const since = readSince(query.since, scope, checkpoints);
    const feedRequest = { scope, since, limit: query.limit };
    const page = await store.readPage(toFeedQuery(feedRequest));
    const answer = toPullAnswer(feedRequest, page, checkpoints);
    request.logFields.records = answer.changes.length;

    const etag = `"${answer.checkpoint}"`;
    reply.header('etag', etag).header('cache-control', 'private, no-cache');
    if (names(request.headers['if-none-match'], etag)) return reply.code(304).send();
    return answer;
  });
};

/** Weak comparison (RFC 9110, 13.1.2): a proxy that compresses the answer weakens its tag. */
function names(ifNoneMatch: string | undefined, etag: string): boolean {
  const tags = ifNoneMatch?.split(',') ?? [];
  return tags.some((tag) => tag.trim().replace(/^W\//, '') === etag);
}

/** Sorted, so that the same filter in another order keeps its checkpoints. */
function knownTypes({ entityTypes = [] }: PullQuery, kinds: KindRegistry): readonly string[] {
  for (const type of entityTypes) {
    if (!kinds.entityTypes.has(type)) {
      const detail = `no entity type ${JSON.stringify(type.slice(0, 100))}`;
      throw new RequestProblem('INVALID_QUERY', detail, { path: 'entityTypes' });
    }
  }
  return entityTypes;
}
