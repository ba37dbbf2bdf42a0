import type { FastifyPluginAsync } from 'fastify';
import type { Reader, ReadLimiter } from '../../limits/read-limiter.ts';
import { liftForReader } from '../../../domain/kinds/record-versions.ts';
import type { KindRegistry } from '../../../domain/kinds/registry.ts';
import type { CheckpointCodec } from '../../../protocol/checkpoint.ts';
import { matchesEntityTag, parseQuery } from '../../../protocol/request.ts';
import { printPullAnswer, pullQuerySchema } from '../../../protocol/pull.ts';
import type { FeedPage, FeedStore } from '../../../feed/feed-store.ts';
import {
  type FeedRequest,
  mayBeEmpty,
  toEmptyPage,
  toFeedQuery,
  toFeedRequest,
  toPullPage,
} from '../../../feed/changes-feed.ts';

export interface PullDeps {
  readonly feed: FeedStore;
  readonly reads: Pick<ReadLimiter, 'run' | 'runNextRead' | 'coalesce'>;
  readonly checkpoints: CheckpointCodec;
  readonly limits: { readonly maxAnswerBytes: number };
  readonly kinds: Pick<KindRegistry, 'records'>;
}

/** `GET /api/sync/changes`: the records that changed since a checkpoint, page by page. */
export const pullRoutes: FastifyPluginAsync<PullDeps> = async (app, deps) => {
  const { feed, reads, checkpoints, limits, kinds } = deps;
  const readHead = reads.coalesce((tenantIds: readonly string[]) => feed.readHeads(tenantIds));

  /** Most pulls find nothing new. One statement looks at the heads of all tenants that ask at the same time. */
  async function readPage(feedRequest: FeedRequest, reader: Reader): Promise<FeedPage> {
    const read = () => feed.readPage(toFeedQuery(feedRequest));
    if (!mayBeEmpty(feedRequest)) return reads.run(reader, read);
    const head = await readHead(reader, feedRequest.tenantId);
    return toEmptyPage(feedRequest, head) ?? reads.runNextRead(reader, read);
  }

  app.get('/api/sync/changes', { config: { scope: 'sync:pull' } }, async (request, reply) => {
    const query = parseQuery(pullQuerySchema, request.query);
    const { tenantId } = request.actor;
    const feedRequest = toFeedRequest(query, tenantId, limits.maxAnswerBytes, checkpoints);
    const reader = { tenantId, answer: reply.raw };
    const stored = await readPage(feedRequest, reader);
    const lift = liftForReader(kinds.records, (fault) => {
      request.log.error({ event: 'record.not-lifted', fault }, 'a record is shown as it is stored');
    });
    const page = toPullPage(
      feedRequest,
      { ...stored, records: stored.records.map(lift) },
      checkpoints,
    );
    request.logFields.records = page.records.length;

    const etag = `"${page.checkpoint}"`;
    reply.header('etag', etag).header('cache-control', 'private, no-cache');
    if (matchesEntityTag(request.headers['if-none-match'], etag)) return reply.code(304).send();
    return reply.type('application/json; charset=utf-8').send(printPullAnswer(page));
  });
};
