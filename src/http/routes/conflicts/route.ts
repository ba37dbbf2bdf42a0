import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { Reader, ReadLimiter } from '../../limits/read-limiter.ts';
import { RequestProblem } from '../../../domain/errors.ts';
import { liftForReader } from '../../../domain/kinds/record-versions.ts';
import type { KindRegistry } from '../../../domain/kinds/registry.ts';
import {
  conflictsQuerySchema,
  type ResolutionAnswer,
  resolutionRequestSchema,
  settlementSchema,
} from '../../../protocol/conflict.ts';
import { printList } from '../../../protocol/page.ts';
import { parseEnvelope, parseQuery } from '../../../protocol/request.ts';
import { identifierSchema } from '../../../domain/identifier.ts';
import type { IngestService } from '../../../ingest/ingest-service.ts';
import { toKindErrorFields } from '../../../observability/kind-errors.ts';
import type { AuditStore, StoredConflict } from '../../../audit/audit-store.ts';
import { assertResolved, toResolutionBatch } from '../../../audit/conflict-resolution.ts';
import { createConflictView } from '../../../audit/conflict-view.ts';

export interface ConflictDeps {
  readonly kinds: KindRegistry;
  readonly audit: Pick<AuditStore, 'listConflicts' | 'findConflict'>;
  readonly reads: Pick<ReadLimiter, 'run' | 'runAdmitted'>;
  readonly ingest: Pick<IngestService, 'submit'>;
  readonly limits: { readonly maxEventBytes: number; readonly maxAnswerBytes: number };
}

interface KeyRoute {
  readonly Params: { readonly identityKey: string };
}

/** `/api/sync/conflicts`: edits whose record had changed before they arrived. A person settles them. */
export const conflictRoutes: FastifyPluginAsync<ConflictDeps> = async (app, deps) => {
  const { kinds, audit, reads, ingest, limits } = deps;
  const pulling = { config: { scope: 'sync:pull' } } as const;
  const pushing = { config: { scope: 'sync:push' } } as const;

  app.get('/api/sync/conflicts', pulling, async (request, reply): Promise<Buffer> => {
    const query = parseQuery(conflictsQuerySchema, request.query);
    const { tenantId } = request.actor;
    const page = await reads.run({ tenantId, answer: reply.raw }, () =>
      audit.listConflicts({ ...query, tenantId, maxBytes: limits.maxAnswerBytes }),
    );
    reply.header('cache-control', 'no-store').type('application/json; charset=utf-8');
    return printList({ list: 'conflicts', next: 'nextAfter' }, page, viewFor(request, kinds));
  });

  app.get<KeyRoute>('/api/sync/conflicts/:identityKey', pulling, async (request, reply) => {
    const reader = { tenantId: request.actor.tenantId, answer: reply.raw };
    const stored = await reads.run(reader, () => findConflict(request, audit));
    reply.header('cache-control', 'no-store');
    return viewFor(request, kinds)(stored);
  });

  app.post<KeyRoute>(
    '/api/sync/conflicts/:identityKey/resolution',
    pushing,
    async (request, reply): Promise<ResolutionAnswer> => {
      const resolution = parseEnvelope(resolutionRequestSchema, request.body);
      const reader: Reader = { tenantId: request.actor.tenantId, answer: reply.raw };
      const stored = await reads.run(reader, () => findConflict(request, audit));
      await withKindErrorLog(request, stored, async () => {
        const rules = { kinds, maxEventBytes: limits.maxEventBytes };
        const batch = toResolutionBatch(stored, resolution, request.actor, rules);
        if (!batch) return;
        const { decision, queueWaitMs, transactionMs } = await ingest.submit(batch);
        Object.assign(request.logFields, { queueWaitMs, transactionMs });
        assertResolved(decision);
      });
      reply.header('cache-control', 'no-store');
      const settled = await reads.runAdmitted(reader, () => findConflict(request, audit));
      const conflict = viewFor(request, kinds)(settled);
      return mayReadRecords(request) ? conflict : settlementSchema.parse(conflict);
    },
  );
};

/** A conflict shows data of the tenant, which may come from another device than the one that settles it. */
function mayReadRecords({ actor }: FastifyRequest): boolean {
  return actor.scopes.includes('sync:pull');
}

/** @throws RequestProblem NOT_FOUND, also for a conflict of another tenant and for a key that is no identifier */
async function findConflict(
  { params, actor }: FastifyRequest<KeyRoute>,
  audit: Pick<AuditStore, 'findConflict'>,
): Promise<StoredConflict> {
  const key = identifierSchema.safeParse(params.identityKey);
  const stored = key.success && (await audit.findConflict(actor.tenantId, key.data));
  if (!stored) throw new RequestProblem('NOT_FOUND', 'There is no conflict under this key.');
  return stored;
}

function viewFor({ log }: FastifyRequest, kinds: KindRegistry) {
  const lift = liftForReader(kinds.records, (fault) => {
    log.error({ event: 'record.not-lifted', fault }, 'a record is shown as it is stored');
  });
  return createConflictView(kinds, lift);
}

/** The answer does not show what the code of a kind has thrown, so the log shows it. */
async function withKindErrorLog(
  request: FastifyRequest<KeyRoute>,
  { event: { kind, kindVersion, identityKey } }: StoredConflict,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof RequestProblem && error.members.failure === 'KIND_FAILED') {
      const fault = { kind, kindVersion, identityKey, fault: error.cause };
      request.log.error(toKindErrorFields([fault]), 'kinds failed on events');
    }
    throw error;
  }
}
