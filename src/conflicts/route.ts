import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { Reader, ReadGate } from '../admission/read-gate.ts';
import { RequestProblem } from '../errors.ts';
import { showRecords } from '../kinds/record-lifter.ts';
import type { KindRegistry } from '../kinds/registry.ts';
import {
  type Conflict,
  type ConflictsAnswer,
  conflictsQuerySchema,
  resolutionRequestSchema,
} from '../protocol/conflict.ts';
import { parseEnvelope, parseQuery } from '../protocol/request.ts';
import { identifierSchema } from '../protocol/text.ts';
import type { GroupCommit } from '../push/group-commit.ts';
import type { BatchDecision } from '../push/outcome.ts';
import type { AuditStore, StoredConflict } from '../storage/audit.ts';
import { checkAccepted, toResolutionBatch } from './resolve.ts';
import { toConflict } from './view.ts';

export interface ConflictDeps {
  readonly kinds: KindRegistry;
  readonly audit: Pick<AuditStore, 'listConflicts' | 'findConflict'>;
  readonly reads: Pick<ReadGate, 'run' | 'finish'>;
  readonly groupCommit: GroupCommit<BatchDecision>;
  readonly limits: { readonly maxEventBytes: number };
}

interface OfKey {
  readonly Params: { readonly identityKey: string };
}

/** `/api/sync/conflicts`: what met a record that had changed, for a person to settle. */
export const conflictRoutes: FastifyPluginAsync<ConflictDeps> = async (app, deps) => {
  const { kinds, audit, reads, groupCommit, limits } = deps;
  const pulling = { config: { scope: 'sync:pull' } } as const;
  const pushing = { config: { scope: 'sync:push' } } as const;

  app.get('/api/sync/conflicts', pulling, async (request, reply): Promise<ConflictsAnswer> => {
    const query = parseQuery(conflictsQuerySchema, request.query);
    const { tenantId } = request.actor;
    const { entries, nextAfter } = await reads.run({ tenantId, answer: reply.raw }, () =>
      audit.listConflicts({ ...query, tenantId }),
    );
    reply.header('cache-control', 'no-store');
    const show = showingTo(request, kinds);
    return { conflicts: entries.map((stored) => toConflict(stored, kinds, show)), nextAfter };
  });

  app.get<OfKey>('/api/sync/conflicts/:identityKey', pulling, async (request, reply) => {
    const reader = { tenantId: request.actor.tenantId, answer: reply.raw };
    const stored = await reads.run(reader, () => mustFind(request, audit));
    reply.header('cache-control', 'no-store');
    return toConflict(stored, kinds, showingTo(request, kinds));
  });

  app.post<OfKey>(
    '/api/sync/conflicts/:identityKey/resolution',
    pushing,
    async (request, reply): Promise<Conflict> => {
      const asked = parseEnvelope(resolutionRequestSchema, request.body);
      const reader: Reader = { tenantId: request.actor.tenantId, answer: reply.raw };
      const stored = await reads.run(reader, () => mustFind(request, audit));
      await logFaults(request, async () => {
        const rules = { kinds, maxEventBytes: limits.maxEventBytes };
        const batch = toResolutionBatch(stored, asked, request.actor, rules);
        if (!batch) return;
        const { decision, queueWaitMs, transactionMs } = await groupCommit.submit(batch);
        Object.assign(request.logFields, { queueWaitMs, transactionMs });
        checkAccepted(decision);
      });
      reply.header('cache-control', 'no-store');
      const settled = await reads.finish(reader, () => mustFind(request, audit));
      return toConflict(settled, kinds, showingTo(request, kinds));
    },
  );
};

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

function showingTo({ log }: FastifyRequest, { records }: KindRegistry) {
  return showRecords(records, (err) => {
    log.error({ event: 'record.not-lifted', err }, 'a record is shown as it is stored');
  });
}

/** What a kind threw does not leave with the answer, so it goes to the log. */
async function logFaults(request: FastifyRequest<OfKey>, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof RequestProblem && error.members.failure === 'KIND_FAILED') {
      request.log.error({ event: 'kind.failed', err: error.cause }, 'a kind failed on an event');
    }
    throw error;
  }
}
