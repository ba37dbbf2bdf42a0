import type { FastifyPluginAsync } from 'fastify';
import type { ReadLimiter } from '../../limits/read-limiter.ts';
import { RequestProblem } from '../../../domain/errors.ts';
import { historyQuerySchema } from '../../../protocol/history.ts';
import { printList } from '../../../protocol/page.ts';
import { parseQuery } from '../../../protocol/request.ts';
import { readIdentityKeys, type ReceiptsAnswer } from '../../../protocol/receipt.ts';
import { identifierSchema } from '../../../domain/identifier.ts';
import type { AuditStore } from '../../../audit/audit-store.ts';
import { toHistoryEntry, toReceipt } from '../../../audit/history-view.ts';

export interface HistoryDeps {
  readonly audit: Pick<AuditStore, 'readHistory' | 'findReceipts'>;
  readonly reads: Pick<ReadLimiter, 'run'>;
  readonly limits: { readonly maxAnswerBytes: number };
}

interface EntityRoute {
  readonly Params: { readonly type: string; readonly id: string };
}

/** The history of an entity, page by page, and receipts of single events. */
export const historyRoutes: FastifyPluginAsync<HistoryDeps> = async (app, deps) => {
  const { audit, reads, limits } = deps;
  const pulling = { config: { scope: 'sync:pull' } } as const;

  app.get<EntityRoute>(
    '/api/sync/entities/:type/:id/events',
    pulling,
    async (request, reply): Promise<Buffer> => {
      const page = parseQuery(historyQuerySchema, request.query);
      const { tenantId } = request.actor;
      const [entityType, entityId] = [
        parseIdentifier(request.params.type),
        parseIdentifier(request.params.id),
      ];
      const history = await reads.run({ tenantId, answer: reply.raw }, () =>
        audit.readHistory({
          ...{ tenantId, entityType, entityId, before: page.before, limit: page.limit },
          maxBytes: limits.maxAnswerBytes,
        }),
      );
      reply.header('cache-control', 'no-store').type('application/json; charset=utf-8');
      return printList({ list: 'events', next: 'nextBefore' }, history, toHistoryEntry);
    },
  );

  app.get('/api/sync/receipts', pulling, async (request, reply): Promise<ReceiptsAnswer> => {
    const [, ...query] = (request.raw.url ?? '').split('?');
    const keys = readIdentityKeys(query.join('?'));
    const { tenantId } = request.actor;
    const stored = await reads.run({ tenantId, answer: reply.raw }, () =>
      audit.findReceipts(tenantId, keys),
    );
    reply.header('cache-control', 'no-store');
    return { receipts: keys.map((key) => toReceipt(key, stored.get(key))) };
  });
};

/** @throws RequestProblem NOT_FOUND for text that is no identifier */
function parseIdentifier(text: string): string {
  const name = identifierSchema.safeParse(text);
  if (!name.success) throw new RequestProblem('NOT_FOUND');
  return name.data;
}
