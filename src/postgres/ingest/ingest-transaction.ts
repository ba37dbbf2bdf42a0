import { type WorkBudget, startWorkBudget } from '../../scheduling/work-budget.ts';
import pg, { type Pool, type PoolClient, type QueryConfig } from 'pg';
import { RequestProblem } from '../../domain/errors.ts';
import { entityKey, type EntityRef, type RecordState } from '../../domain/record.ts';
import type { EventBase, KnownEvent } from '../../domain/stored-event.ts';
import type {
  DecideTenantInSteps,
  WithTenant,
  TenantPlan,
  TenantSnapshot,
  BatchNeeds,
} from '../../domain/decide/tenant-plan.ts';
import { advanceHeads } from './advance-heads.sql.ts';
import { ensureTenants } from './ensure-tenants.sql.ts';
import { insertConflicts } from './insert-conflicts.sql.ts';
import { insertEffects } from './insert-effects.sql.ts';
import { insertEvents } from './insert-events.sql.ts';
import { loadBaseEvents } from './load-base-events.sql.ts';
import { loadHeads } from './load-heads.sql.ts';
import { loadKnownEvents } from './load-known-events.sql.ts';
import { loadPurgedRecords, loadRecords } from './load-records.sql.ts';
import { lockTenants } from './lock-tenants.sql.ts';
import { resolveConflicts } from './resolve-conflicts.sql.ts';
import { begin, commit, committedTag, tenantScope, rollBack } from '../client/transaction.sql.ts';
import { upsertRecords } from './upsert-records.sql.ts';
import { groupByTenant, type TenantGroup, collectNeeds } from './tenant-group.ts';
import { runPipelined, StatementSkippedError, type StatementSender } from '../client/pipeline.ts';

/** Milliseconds of work for a group: beyond them its batches are run one by one. */
const groupMs = 500;
/** For a batch that is alone: beyond them it has to be split. */
const batchMs = 2_000;
/** From the load to the write: less than PostgreSQL lets a transaction be idle. */
const idleMs = 4_000;
type BatchWithNeeds = { readonly needs: BatchNeeds };

/** A tenant's group with what was decided for it. */
interface PlannedTenant<Batch, Decision> extends TenantGroup<Batch> {
  readonly plan: TenantPlan<Decision>;
}

/**
 * One try of one transaction, in two round trips whatever the group holds: lock and load, write and
 * commit. Behind its lock nothing of a tenant changes, so what is sent along with the lock sees what
 * will be written on.
 *
 * @returns one decision per batch, in the order given
 * @throws pg errors where nothing was stored; RequestProblem COMMIT_UNKNOWN
 */
export async function runIngestTransaction<Batch extends BatchWithNeeds, Decision>(
  pool: Pool,
  batches: readonly Batch[],
  decide: DecideTenantInSteps<Batch, Decision>,
): Promise<readonly Decision[]> {
  const client = await pool.connect();
  let isClean = false;
  try {
    const groups = groupByTenant(batches);
    const snapshots = await loadSnapshots(client, groups);
    const pace = startWorkBudget({
      maxWorkMs: batches.length > 1 ? groupMs : batchMs,
      maxMs: idleMs,
    });
    const planned: PlannedTenant<Batch, Decision>[] = [];
    for (const group of groups) {
      const steps = decide(mustHave(snapshots, group.tenantId), group.batches);
      planned.push({ ...group, plan: await runAtPace(steps, pace) });
    }
    await writeAndCommit(client, planned, pace);
    isClean = true;
    return decisionsInOrder(batches, planned);
  } catch (error) {
    const isUnknown = error instanceof RequestProblem && error.code === 'COMMIT_UNKNOWN';
    isClean = !isUnknown && (await rollBack(client));
    throw error;
  } finally {
    client.release(!isClean);
  }
}

async function runAtPace<Result>(
  steps: Generator<void, Result>,
  pace: WorkBudget,
): Promise<Result> {
  for (;;) {
    const step = steps.next();
    if (pace.shouldYield()) await pace.yieldToOthers();
    if (step.done) return step.value;
  }
}

async function loadSnapshots<Batch extends BatchWithNeeds>(
  client: PoolClient,
  groups: readonly TenantGroup<Batch>[],
): Promise<ReadonlyMap<string, TenantSnapshot>> {
  const ids = groups.map(({ tenantId }) => tenantId);
  const { keys, entities, bases } = collectNeeds(groups);
  const load = (trip: StatementSender) =>
    Promise.all([
      lockTenants(trip, ids),
      loadHeads(trip, ids),
      loadKnownEvents(trip, keys),
      loadRecords(trip, entities),
    ]);
  const first = async (trip: StatementSender) =>
    (await Promise.all([begin(trip, tenantScope(ids)), load(trip)]))[1];
  const again = async (trip: StatementSender) =>
    (await Promise.all([ensureTenants(trip, ids), load(trip)]))[1];
  let loaded = await runPipelined(client, first);
  if (loaded[0] < ids.length) loaded = await runPipelined(client, again);
  const [, heads, known, kept] = loaded;
  const purging = new Set(heads.filter(({ horizon }) => horizon > 0).map((head) => head.tenantId));
  const purgeable = entities.filter(({ tenantId }) => purging.has(tenantId));
  const purged = purgeable.length > 0 ? await loadPurgedRecords(client, purgeable) : [];
  const records = [...purged, ...markPurged(kept, purged)];
  const baseEvents = await loadLaterBases(client, bases, records);

  // A base that is also sent again keeps the row that was loaded by its key: it knows the event before.
  const knownOf = Map.groupBy([...baseEvents, ...known], ({ tenantId }) => tenantId);
  const recordsOf = Map.groupBy(records, ({ tenantId }) => tenantId);
  const snapshots = heads.map(
    ({ tenantId, head, epoch, reference, clock }): TenantSnapshot => ({
      tenantId,
      head,
      epoch,
      headReference: reference,
      receivedAt: clock,
      known: knownOf.get(tenantId) ?? [],
      records: recordsOf.get(tenantId) ?? [],
    }),
  );
  return new Map(snapshots.map((snapshot) => [snapshot.tenantId, snapshot]));
}

/**
 * A base that is the record's own version, or older, needs no look-up. Only one that is newer may name an event
 * that left the record as it was.
 */
async function loadLaterBases(
  client: PoolClient,
  bases: readonly WithTenant<EventBase>[],
  records: readonly WithTenant<RecordState>[],
): Promise<readonly WithTenant<KnownEvent>[]> {
  if (bases.length === 0) return [];
  const versions = new Map(records.map((record) => [tenantKey(record), record.version]));
  const later = bases.filter((base) => {
    const version = versions.get(tenantKey(base));
    return version !== undefined && base.version > version;
  });
  return later.length > 0 ? loadBaseEvents(client, later) : [];
}

function tenantKey(entity: WithTenant<EntityRef>): string {
  return `${entity.tenantId}\n${entityKey(entity)}`;
}

/** A record that stands in the feed again after its tombstone was purged, and still has no data. */
function markPurged(
  kept: readonly WithTenant<RecordState>[],
  purged: readonly WithTenant<RecordState>[],
): readonly WithTenant<RecordState>[] {
  const keys = new Set(purged.map(tenantKey));
  return kept.map((record) =>
    record.data === null && keys.has(tenantKey(record)) ? { ...record, purged: 'shown' } : record,
  );
}

async function writeAndCommit<Batch, Decision>(
  client: PoolClient,
  planned: readonly PlannedTenant<Batch, Decision>[],
  pace: WorkBudget,
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
  if (pace.shouldYield()) await pace.yieldToOthers();
  if (records.length > 0) statements.push(upsertRecords(records));
  if (effects.length > 0) statements.push(insertEffects(effects));
  if (conflicts.length > 0) statements.push(insertConflicts(conflicts));
  if (resolutions.length > 0) statements.push(resolveConflicts(resolutions));
  if (pace.shouldYield()) await pace.yieldToOthers();
  await runPipelined(client, async (trip) => {
    // All rows are encoded by now: what could not be would leave a COMMIT of everything else.
    const writes = statements.map((statement) => trip.query(statement));
    // Whatever became of the writes, what became of it decides. Where one of them failed, the server never
    // came to it.
    const [committed] = await Promise.allSettled([commit(trip), ...writes]);
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

function decisionsInOrder<Batch, Decision>(
  batches: readonly Batch[],
  planned: readonly PlannedTenant<Batch, Decision>[],
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
