import type { FastifyPluginAsync } from 'fastify';
import type { Reader, ReadLimiter } from '../../limits/read-limiter.ts';
import { liftForReader } from '../../../domain/kinds/record-lifter.ts';
import type { KindRegistry } from '../../../domain/kinds/registry.ts';
import type { CheckpointCodec } from '../../../protocol/checkpoint.ts';
import { matchesEntityTag } from '../../../protocol/entity-tag.ts';
import { printPullAnswer, pullQuerySchema } from '../../../protocol/pull.ts';
import { parseQuery } from '../../../protocol/request.ts';
import type { FeedPage, FeedStore, HeadQuery } from '../../../feed/feed-store.ts';
import {
  type FeedRequest,
  toEmptyPage,
  toFeedQuery,
  toFeedRequest,
  toHeadQuery,
  toPullPage,
} from '../../../feed/changes-feed.ts';

export interface PullDeps {
  readonly feed: FeedStore;
  readonly reads: Pick<ReadLimiter, 'run' | 'runNextRead' | 'coalesce'>;
  readonly checkpoints: CheckpointCodec;
  readonly limits: { readonly maxAnswerBytes: number };
  readonly kinds: Pick<KindRegistry, 'records'>;
}

/** `GET /api/sync/changes`: what changed since a checkpoint, page by page. */
export const pullRoutes: FastifyPluginAsync<PullDeps> = async (app, deps) => {
  const { feed, reads, checkpoints, limits, kinds } = deps;
  const readHead = reads.coalesce((queries: readonly HeadQuery[]) => feed.readHeads(queries));

  /** Most pulls find nothing, and one statement tells all of them so who ask meanwhile. */
  async function readPage(feedRequest: FeedRequest, reader: Reader): Promise<FeedPage> {
    const read = () => feed.readPage(toFeedQuery(feedRequest));
    const headQuery = toHeadQuery(feedRequest);
    if (!headQuery) return reads.run(reader, read);
    const found = await readHead(reader, headQuery);
    return toEmptyPage(feedRequest, found) ?? reads.runNextRead(reader, read);
  }

  app.get('/api/sync/changes', { config: { scope: 'sync:pull' } }, async (request, reply) => {
    const query = parseQuery(pullQuerySchema, request.query);
    const { tenantId } = request.actor;
    const feedRequest = toFeedRequest(query, tenantId, limits.maxAnswerBytes, checkpoints);
    const reader = { tenantId, answer: reply.raw };
    const found = await readPage(feedRequest, reader);
    const show = liftForReader(kinds.records, (fault) => {
      request.log.error({ event: 'record.not-lifted', fault }, 'a record is shown as it is stored');
    });
    const page = toPullPage(
      feedRequest,
      { ...found, records: found.records.map(show) },
      checkpoints,
    );
    request.logFields.records = page.records.length;

    const etag = `"${page.checkpoint}"`;
    reply.header('etag', etag).header('cache-control', 'private, no-cache');
    if (matchesEntityTag(request.headers['if-none-match'], etag)) return reply.code(304).send();
    return reply.type('application/json; charset=utf-8').send(printPullAnswer(page));
  });
};
