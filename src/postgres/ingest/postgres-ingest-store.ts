import { setTimeout as sleep } from 'node:timers/promises';
import pg, { type Pool, type PoolClient, type QueryConfig } from 'pg';
import { RequestProblem } from '../../domain/errors.ts';
import type { IngestStore, IngestTransaction, TenantWrites } from '../../ingest/ingest-store.ts';
import type { WorkBudget } from '../../scheduling/work-budget.ts';
import { isTransient, maxAttempts, toStoreError } from '../client/errors.ts';
import { runPipelined, StatementSkippedError } from '../client/pipeline.ts';
import { commit, committedTag, rollBack } from '../client/transaction.sql.ts';
import { loadSnapshots } from './load-snapshots.ts';
import { advanceHeads } from './tenant-heads.sql.ts';
import {
  insertConflicts,
  insertEffects,
  insertEvents,
  resolveConflicts,
  upsertRecords,
} from './write.sql.ts';

export interface IngestStoreHooks {
  /** Called before a transaction that met a deadlock or a timeout is run again. */
  readonly onRetry: (error: unknown, attempt: number) => void;
}

export function createIngestStore(pool: Pool, { onRetry }: IngestStoreHooks): IngestStore {
  return {
    async runTransaction(mayRetry, work) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await runIngestTransaction(pool, work);
        } catch (error) {
          if (isTransient(error) && !mayRetry) throw error;
          if (!isTransient(error) || attempt >= maxAttempts(error)) throw toStoreError(error);
          onRetry(error, attempt);
          // A random pause, so that two transactions that met once do not meet again.
          await sleep(Math.random() * 20 * 2 ** attempt);
        }
      }
    },
  };
}

/**
 * One attempt of one transaction. It takes two round trips, whatever the batches hold: lock and load, then write
 * and commit. Nothing of a tenant changes under its lock, so the statements behind the lock in the same round trip
 * see the state on which the plan is written.
 *
 * @throws pg errors and the errors of `work` when nothing was stored; RequestProblem COMMIT_UNKNOWN
 */
async function runIngestTransaction<Result>(
  pool: Pool,
  work: (transaction: IngestTransaction) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  let isClean = false;
  try {
    const result = await work({
      load: (needs) => loadSnapshots(client, needs),
      writeAndCommit: (writes, budget) => writeAndCommit(client, writes, budget),
    });
    isClean = true;
    return result;
  } catch (error) {
    const isUnknown = error instanceof RequestProblem && error.code === 'COMMIT_UNKNOWN';
    isClean = !isUnknown && (await rollBack(client));
    throw error;
  } finally {
    client.release(!isClean);
  }
}

async function writeAndCommit(
  client: PoolClient,
  writes: readonly TenantWrites[],
  budget: WorkBudget,
): Promise<void> {
  const statements = await encodeWrites(writes, budget);
  await runPipelined(client, async (sender) => {
    const answers = statements.map((statement) => sender.query(statement));
    // The result of COMMIT decides. Where a write fails, the server skips COMMIT.
    const [committed] = await Promise.allSettled([commit(sender), ...answers]);
    if (committed.status === 'rejected') {
      const error: Error = committed.reason;
      throw error instanceof StatementSkippedError || isRefusal(error)
        ? error
        : commitUnknown(error);
    }
    if (committed.value !== committedTag) throw new Error(`COMMIT answered ${committed.value}`);
  });
}

/**
 * Encodes all rows before the first statement is sent. A row that cannot be encoded would otherwise be left out of
 * a transaction that commits the others.
 */
async function encodeWrites(
  writes: readonly TenantWrites[],
  budget: WorkBudget,
): Promise<readonly QueryConfig[]> {
  const changed = writes.filter(({ events }) => events.length > 0);
  const rowsOf = <Row>(pick: (tenant: TenantWrites) => readonly Row[]) =>
    changed.flatMap((tenant) => pick(tenant).map((row) => ({ ...row, tenantId: tenant.tenantId })));
  const heads = changed.map(({ tenantId, head }) => ({ tenantId, head }));
  const records = rowsOf((tenant) => tenant.records);
  const events = rowsOf((tenant) => tenant.events);
  const effects = rowsOf((tenant) => tenant.effects);
  const conflicts = events.filter(({ outcome }) => outcome === 'conflict');
  const resolutions = events.filter(({ resolves }) => resolves !== null);

  const statements: QueryConfig[] = [];
  if (events.length > 0) statements.push(insertEvents(events), advanceHeads(heads));
  if (budget.shouldYield()) await budget.yieldToOthers();
  if (records.length > 0) statements.push(upsertRecords(records));
  if (effects.length > 0) statements.push(insertEffects(effects));
  if (conflicts.length > 0) statements.push(insertConflicts(conflicts));
  if (resolutions.length > 0) statements.push(resolveConflicts(resolutions));
  if (budget.shouldYield()) await budget.yieldToOthers();
  return statements;
}

/**
 * Whether PostgreSQL refused COMMIT, such as for a deferred constraint: then nothing was stored. An error about the
 * end of the server, of the connection or of the transaction's time (SQLSTATE classes 57, 08 and 25) leaves the
 * result open.
 */
function isRefusal(error: Error): boolean {
  return error instanceof pg.DatabaseError && !/^(57|08|25)/.test(error.code ?? '57');
}

function commitUnknown(cause: Error): RequestProblem {
  return new RequestProblem('COMMIT_UNKNOWN', undefined, { retryAfter: 1 }, cause);
}
