import pg, { type Pool, type PoolClient, type QueryConfig } from 'pg';
import { RequestProblem } from '../errors.ts';
import { entityKey } from '../protocol/record.ts';
import { advanceHeads } from './sql/advance-heads.ts';
import { ensureTenants } from './sql/ensure-tenants.ts';
import { insertConflicts } from './sql/insert-conflicts.ts';
import { insertEffects } from './sql/insert-effects.ts';
import { insertEvents } from './sql/insert-events.ts';
import { loadHeads } from './sql/load-heads.ts';
import { loadKnownEvents } from './sql/load-known-events.ts';
import { loadPurgedRecords, loadRecords } from './sql/load-records.ts';
import { lockTenants } from './sql/lock-tenants.ts';
import { resolveConflicts } from './sql/resolve-conflicts.ts';
import { begin, forTenants } from './sql/transaction.ts';
import { upsertRecords } from './sql/upsert-records.ts';
import type {
  DecideTenant,
  OfTenant,
  RecordState,
  TenantPlan,
  TenantSnapshot,
  Wanted,
} from './store.ts';
import { groupByTenant, type TenantGroup, wantedSets } from './tenant-group.ts';

type Plannable = { readonly wanted: Wanted };

/** A tenant's group with what was decided for it. */
interface Planned<Batch, Decision> extends TenantGroup<Batch> {
  readonly plan: TenantPlan<Decision>;
}

/**
 * One try of one transaction, in three round trips whatever the group holds: lock, load, write.
 * Statements that do not need each other's results share a trip, and COMMIT goes out with the
 * writes: PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK.
 *
 * @returns one decision per batch, in the order given
 * @throws pg errors where nothing was stored; RequestProblem COMMIT_UNKNOWN
 */
export async function runIngest<Batch extends Plannable, Decision>(
  pool: Pool,
  batches: readonly Batch[],
  decide: DecideTenant<Batch, Decision>,
): Promise<readonly Decision[]> {
  const client = await pool.connect();
  let reusable = false;
  try {
    const groups = groupByTenant(batches);
    const snapshots = await loadSnapshots(client, groups);
    const planned = groups.map((group) => {
      const plan = decide(mustHave(snapshots, group.tenantId), group.batches);
      return { ...group, plan };
    });
    await writeAndCommit(client, planned);
    reusable = true;
    return decisionsInOrder(batches, planned);
  } catch (error) {
    reusable = await rollBack(client, error);
    throw error;
  } finally {
    client.release(!reusable);
  }
}

async function loadSnapshots<Batch extends Plannable>(
  client: PoolClient,
  groups: readonly TenantGroup<Batch>[],
): Promise<ReadonlyMap<string, TenantSnapshot>> {
  const ids = groups.map(({ tenantId }) => tenantId);
  let [, tenants] = await Promise.all([begin(client, forTenants(ids)), lockTenants(client, ids)]);
  if (tenants.length < ids.length) {
    [, tenants] = await Promise.all([ensureTenants(client, ids), lockTenants(client, ids)]);
  }
  const { keys, entities } = wantedSets(groups);
  const purging = new Set(tenants.filter(({ horizon }) => horizon > 0).map(({ id }) => id));
  const purgeable = entities.filter(({ tenantId }) => purging.has(tenantId));
  const [heads, known, kept, purged] = await Promise.all([
    loadHeads(client, tenants),
    loadKnownEvents(client, keys),
    loadRecords(client, entities),
    purgeable.length > 0 ? loadPurgedRecords(client, purgeable) : [],
  ]);
  const records = [...purged, ...markPurged(kept, purged)];

  const headOf = new Map(heads.map((head) => [head.tenantId, head]));
  const knownOf = Map.groupBy(known, ({ tenantId }) => tenantId);
  const recordsOf = Map.groupBy(records, ({ tenantId }) => tenantId);
  const snapshots = tenants.map(({ id, head, epoch }): TenantSnapshot => {
    const newest = mustHave(headOf, id);
    return {
      tenantId: id,
      head,
      epoch,
      headProof: newest.proof,
      receivedAt: newest.clock,
      known: knownOf.get(id) ?? [],
      records: recordsOf.get(id) ?? [],
    };
  });
  return new Map(snapshots.map((snapshot) => [snapshot.tenantId, snapshot]));
}

/**
 * A record that stands in the feed again after its tombstone was purged counts as it stands; but until
 * there is a put, what was purged is all that is known of its data.
 */
function markPurged(
  kept: readonly OfTenant<RecordState>[],
  purged: readonly OfTenant<RecordState>[],
): readonly OfTenant<RecordState>[] {
  const keyOf = (record: OfTenant<RecordState>) => `${record.tenantId}\n${entityKey(record)}`;
  const keys = new Set(purged.map(keyOf));
  return kept.map((record) =>
    record.clock.put === undefined && keys.has(keyOf(record))
      ? { ...record, purged: 'shown' }
      : record,
  );
}

async function writeAndCommit<Batch, Decision>(
  client: PoolClient,
  planned: readonly Planned<Batch, Decision>[],
): Promise<void> {
  const moved = planned.filter(({ plan }) => plan.events.length > 0);
  const rowsOf = <Row>(pick: (plan: TenantPlan<Decision>) => readonly Row[]) =>
    moved.flatMap(({ tenantId, plan }) => pick(plan).map((row) => ({ ...row, tenantId })));
  const records = rowsOf((plan) => plan.records);

  const heads = moved.map(({ tenantId, plan }) => ({ id: tenantId, head: plan.head }));
  const events = rowsOf((plan) => plan.events);
  const effects = rowsOf((plan) => plan.effects);
  const conflicts = events.filter(({ outcome }) => outcome === 'conflict');
  const resolutions = events.filter(({ resolves }) => resolves !== null);

  const statements: QueryConfig[] = [];
  if (events.length > 0) statements.push(insertEvents(events), advanceHeads(heads));
  if (records.length > 0) statements.push(upsertRecords(records));
  if (effects.length > 0) statements.push(insertEffects(effects));
  if (conflicts.length > 0) statements.push(insertConflicts(conflicts));
  if (resolutions.length > 0) statements.push(resolveConflicts(resolutions));
  // Here all rows are encoded: what cannot be leaves nothing sent that COMMIT would make last.
  const writes = statements.map((statement) => client.query(statement));
  const commit = client.query('COMMIT');

  const [written, committed] = await Promise.all([firstError(writes), firstError([commit])]);
  if (committed) throw isRefusal(committed) ? committed : commitUnknown(committed);
  const { command } = await commit;
  if (written) throw written;
  if (command !== 'COMMIT') throw new Error(`COMMIT answered ${command}`);
}

/**
 * Whether COMMIT was answered with a no, as by a deferred constraint: then nothing was stored. The
 * end of the server, of the connection or of the time that it had (SQLSTATE classes 57, 08 and 25) says
 * nothing.
 */
function isRefusal(error: Error): boolean {
  return error instanceof pg.DatabaseError && !/^(57|08|25)/.test(error.code ?? '57');
}

function commitUnknown(cause: Error): RequestProblem {
  return new RequestProblem('COMMIT_UNKNOWN', undefined, { retryAfter: 1 }, cause);
}

/** Waits for all, so that no statement of a failed trip is still under way when it returns. */
async function firstError(statements: readonly Promise<unknown>[]): Promise<Error | undefined> {
  const results = await Promise.allSettled(statements);
  return results.find((result) => result.status === 'rejected')?.reason;
}

/** @returns whether the connection is clean again; one whose commit is unknown never is */
async function rollBack(client: PoolClient, error: unknown): Promise<boolean> {
  if (error instanceof RequestProblem) return false;
  return client.query('ROLLBACK').then(
    () => true,
    () => false,
  );
}

function decisionsInOrder<Batch, Decision>(
  batches: readonly Batch[],
  planned: readonly Planned<Batch, Decision>[],
): readonly Decision[] {
  const decisionOf = new Map(
    planned.flatMap((group) =>
      group.batches.map((batch, index) => [batch, group.plan.decisions[index]] as const),
    ),
  );
  return batches.map((batch) => mustHave(decisionOf, batch));
}

function mustHave<Key, Value>(map: ReadonlyMap<Key, Value | undefined>, key: Key): Value {
  const value = map.get(key);
  if (value === undefined)
    throw new Error('nothing was loaded for a tenant or a batch of the group');
  return value;
}
