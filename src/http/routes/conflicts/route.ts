import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { Reader, ReadLimiter } from '../../limits/read-limiter.ts';
import { RequestProblem } from '../../../domain/errors.ts';
import { liftForReader } from '../../../domain/kinds/record-lifter.ts';
import type { KindRegistry } from '../../../domain/kinds/registry.ts';
import {
  conflictsQuerySchema,
  type ResolutionAnswer,
  resolutionRequestSchema,
  settlementSchema,
} from '../../../protocol/conflict.ts';
import { printList } from '../../../protocol/print-list.ts';
import { parseEnvelope, parseQuery } from '../../../protocol/request.ts';
import { identifierSchema } from '../../../domain/identifier.ts';
import type { CommitQueue } from '../../../ingest/commit-queue.ts';
import { toKindErrorFields } from '../../../observability/kind-errors.ts';
import type { BatchDecision } from '../../../domain/decide/outcome.ts';
import type { AuditStore, StoredConflict } from '../../../audit/audit-store.ts';
import { assertResolved, toResolutionBatch } from '../../../audit/resolution-batch.ts';
import { createConflictView } from '../../../audit/conflict-view.ts';

export interface ConflictDeps {
  readonly kinds: KindRegistry;
  readonly audit: Pick<AuditStore, 'listConflicts' | 'findConflict'>;
  readonly reads: Pick<ReadLimiter, 'run' | 'runAdmitted'>;
  readonly groupCommit: CommitQueue<BatchDecision>;
  readonly limits: { readonly maxEventBytes: number; readonly maxAnswerBytes: number };
}

interface OfKey {
  readonly Params: { readonly identityKey: string };
}

/** `/api/sync/conflicts`: what met a record that had changed, for a person to settle. */
export const conflictRoutes: FastifyPluginAsync<ConflictDeps> = async (app, deps) => {
  const { kinds, audit, reads, groupCommit, limits } = deps;
  const pulling = { config: { scope: 'sync:pull' } } as const;
  const pushing = { config: { scope: 'sync:push' } } as const;

  app.get('/api/sync/conflicts', pulling, async (request, reply): Promise<Buffer> => {
    const query = parseQuery(conflictsQuerySchema, request.query);
    const { tenantId } = request.actor;
    const page = await reads.run({ tenantId, answer: reply.raw }, () =>
      audit.listConflicts({ ...query, tenantId, maxBytes: limits.maxAnswerBytes }),
    );
    reply.header('cache-control', 'no-store').type('application/json; charset=utf-8');
    return printList('conflicts', page, viewFor(request, kinds));
  });

  app.get<OfKey>('/api/sync/conflicts/:identityKey', pulling, async (request, reply) => {
    const reader = { tenantId: request.actor.tenantId, answer: reply.raw };
    const stored = await reads.run(reader, () => mustFind(request, audit));
    reply.header('cache-control', 'no-store');
    return viewFor(request, kinds)(stored);
  });

  app.post<OfKey>(
    '/api/sync/conflicts/:identityKey/resolution',
    pushing,
    async (request, reply): Promise<ResolutionAnswer> => {
      const asked = parseEnvelope(resolutionRequestSchema, request.body);
      const reader: Reader = { tenantId: request.actor.tenantId, answer: reply.raw };
      const stored = await reads.run(reader, () => mustFind(request, audit));
      await logFaults(request, stored, async () => {
        const rules = { kinds, maxEventBytes: limits.maxEventBytes };
        const batch = toResolutionBatch(stored, asked, request.actor, rules);
        if (!batch) return;
        const { decision, queueWaitMs, transactionMs } = await groupCommit.submit(batch);
        Object.assign(request.logFields, { queueWaitMs, transactionMs });
        assertResolved(decision);
      });
      reply.header('cache-control', 'no-store');
      const settled = await reads.runAdmitted(reader, () => mustFind(request, audit));
      const conflict = viewFor(request, kinds)(settled);
      return mayRead(request) ? conflict : settlementSchema.parse(conflict);
    },
  );
};

/** Both sides are the tenant's data, and the edit need not be that of who settles it. */
function mayRead({ actor }: FastifyRequest): boolean {
  return actor.scopes.includes('sync:pull');
}

/** Another tenant's conflict, and a key that none can have, are not there either. */
async function mustFind(
  { params, actor }: FastifyRequest<OfKey>,
  audit: Pick<AuditStore, 'findConflict'>,
): Promise<StoredConflict> {
  const key = identifierSchema.safeParse(params.identityKey);
  const stored = key.success && (await audit.findConflict(actor.tenantId, key.data));
  if (!stored) throw new RequestProblem('NOT_FOUND', 'There is no conflict under this key.');
  return stored;
}

function viewFor({ log }: FastifyRequest, kinds: KindRegistry) {
  const show = liftForReader(kinds.records, (fault) => {
    log.error({ event: 'record.not-lifted', fault }, 'a record is shown as it is stored');
  });
  return createConflictView(kinds, show);
}

/** What a kind threw does not leave with the answer, so it goes to the log. */
async function logFaults(
  request: FastifyRequest<OfKey>,
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
