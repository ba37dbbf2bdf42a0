import pg, { type PoolClient, type QueryConfig } from 'pg';
import { RequestProblem } from '../../domain/errors.ts';
import type { StoredEffect, StoredEvent } from '../../domain/event.ts';
import type { RecordState } from '../../domain/record.ts';
import { KeyStoredError, type TenantWrites } from '../../ingest/ingest-store.ts';
import type { WorkBudget } from '../../scheduling/work-budget.ts';
import { runPipelined, StatementSkippedError } from '../client/pipeline.ts';
import type { OfTenant } from '../client/row-set.ts';
import type { TenantForm } from '../client/tenant-rows.sql.ts';
import { commit, committedTag } from '../client/transaction.sql.ts';
import type { NumberedTenants, RecordPlaces } from './load-snapshots.ts';
import { advanceHeads, type NewHead } from './tenant-heads.sql.ts';
import {
  findByPlaceOnly,
  identityKeyConstraint,
  insertConflicts,
  insertEffects,
  insertEvents,
  insertRecords,
  type ReplacedRecord,
  resolveConflicts,
  rowGoneState,
  updateRecords,
} from './write.sql.ts';

/** A record that was loaded is gone: its tenant is being removed. */
export class RecordGoneError extends Error {
  override readonly name = 'RecordGoneError';

  constructor(cause: unknown) {
    super('a record was deleted while a batch was decided', { cause });
  }
}

export interface WriteRequest {
  readonly tenants: NumberedTenants;
  readonly writes: readonly TenantWrites[];
  /** Where the rows of the loaded records are. */
  readonly places: RecordPlaces;
  readonly form: TenantForm;
  readonly budget: WorkBudget;
}

/**
 * Writes plans and commits, in one round trip.
 *
 * @throws KeyStoredError where an event is stored already; RecordGoneError; pg errors: nothing was stored
 * @throws RequestProblem COMMIT_UNKNOWN
 */
export async function writeAndCommit(client: PoolClient, request: WriteRequest): Promise<void> {
  const statements = await encodeWrites(request);
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
  }).catch((error: unknown) => {
    throw explain(error);
  });
}

/**
 * Encodes all rows before the first statement is sent. A row that cannot be encoded would otherwise be left out of
 * a transaction that commits the others.
 */
async function encodeWrites({
  tenants,
  writes,
  places,
  form,
  budget,
}: WriteRequest): Promise<readonly QueryConfig[]> {
  const heads: NewHead[] = [];
  const events: OfTenant<StoredEvent>[] = [];
  const added: OfTenant<RecordState>[] = [];
  const replaced: ReplacedRecord[] = [];
  const effects: OfTenant<StoredEffect>[] = [];
  for (const tenant of writes) {
    const tenantNo = tenants.get(tenant.tenantId);
    const newest = tenant.events.at(-1);
    if (!newest || tenantNo === undefined) continue;
    heads.push({ tenantNo, head: tenant.head, reference: newest });
    for (const row of tenant.events) events.push({ tenantNo, row });
    for (const row of tenant.effects) effects.push({ tenantNo, row });
    for (const row of tenant.records) {
      const place = places.get({ tenantNo, row });
      if (place === undefined) added.push({ tenantNo, row });
      else replaced.push({ tenantNo, row, place });
    }
  }
  const conflicts = events.filter(({ row }) => row.outcome === 'conflict');
  const resolutions = events.filter(({ row }) => row.resolves !== null);

  const statements: QueryConfig[] = [];
  if (events.length > 0) statements.push(insertEvents(events, form), advanceHeads(heads, form));
  if (budget.shouldYield()) await budget.yieldToOthers();
  if (added.length > 0) statements.push(insertRecords(added, form));
  if (effects.length > 0) statements.push(insertEffects(effects, form));
  if (conflicts.length > 0) statements.push(insertConflicts(conflicts, form));
  if (resolutions.length > 0) statements.push(resolveConflicts(resolutions));
  // The last one, because all statements after the setting have to do without an index.
  if (replaced.length > 0) statements.push(findByPlaceOnly, updateRecords(replaced, form));
  if (budget.shouldYield()) await budget.yieldToOthers();
  return statements;
}

const uniqueViolation = '23505';

function explain(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  // A distributed database reports the index of one node, whose name is longer, and only in the message.
  if (error.code === uniqueViolation && error.message.includes(identityKeyConstraint)) {
    return new KeyStoredError(error);
  }
  return error.code === rowGoneState ? new RecordGoneError(error) : error;
}

/**
 * Whether PostgreSQL refused COMMIT, such as for a deferred constraint: then nothing was stored. An error about the
 * end of the server, of the connection or of the transaction's time (SQLSTATE classes 57, 08 and 25) leaves the
 * result open. So does an internal error (XX): a distributed database may have committed on some of its nodes.
 */
function isRefusal(error: Error): boolean {
  return error instanceof pg.DatabaseError && !/^(57|08|25|XX)/.test(error.code ?? '57');
}

function commitUnknown(cause: Error): RequestProblem {
  return new RequestProblem('COMMIT_UNKNOWN', undefined, { retryAfter: 1 }, cause);
}
