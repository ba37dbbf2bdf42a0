import type { PoolClient } from 'pg';
import type { BatchNeeds, TenantSnapshot, WithTenant } from '../../domain/decide/tenant-plan.ts';
import type { EventBase, KnownEvent } from '../../domain/event.ts';
import { entityKey, type EntityRef, type RecordState } from '../../domain/record.ts';
import { runPipelined, type StatementSender } from '../client/pipeline.ts';
import { begin, tenantScope } from '../client/transaction.sql.ts';
import {
  type IdentityKeyOfTenant,
  loadBaseEvents,
  loadKnownEvents,
  loadPurgedRecords,
  loadRecords,
} from './load.sql.ts';
import { ensureTenants, loadHeads, lockTenants } from './tenant-heads.sql.ts';

/**
 * Begins a transaction, locks the tenants and loads what their batches need, in one round trip. A tenant without a
 * row, a later base and purged records cost one more each.
 *
 * @returns the snapshots by tenant
 * @throws pg errors; WorkLimitError
 */
export async function loadSnapshots(
  client: PoolClient,
  needs: readonly BatchNeeds[],
): Promise<ReadonlyMap<string, TenantSnapshot>> {
  const { ids, keys, entities, bases } = collectNeeds(needs);
  const load = (sender: StatementSender) =>
    Promise.all([
      lockTenants(sender, ids),
      loadHeads(sender, ids),
      loadKnownEvents(sender, keys),
      loadRecords(sender, entities),
    ]);
  let [, loaded] = await runPipelined(client, (sender) =>
    Promise.all([begin(sender, tenantScope(ids)), load(sender)]),
  );
  if (loaded[0] < ids.length) {
    [, loaded] = await runPipelined(client, (sender) =>
      Promise.all([ensureTenants(sender, ids), load(sender)]),
    );
  }
  const [, heads, knownEvents, keptRecords] = loaded;
  const purgedTenants = new Set(
    heads.filter(({ horizon }) => horizon > 0).map(({ tenantId }) => tenantId),
  );
  const purgeable = entities.filter(({ tenantId }) => purgedTenants.has(tenantId));
  const purged = purgeable.length > 0 ? await loadPurgedRecords(client, purgeable) : [];
  const records = [...purged, ...markPurged(keptRecords, purged)];
  const baseEvents = await loadLaterBases(client, bases, records);

  // A base that is also sent again keeps the event that was loaded by its key, which has its `previous`.
  const eventsByTenant = Map.groupBy([...baseEvents, ...knownEvents], ({ tenantId }) => tenantId);
  const recordsByTenant = Map.groupBy(records, ({ tenantId }) => tenantId);
  const snapshots = heads.map(
    ({ tenantId, head, epoch, reference, clock }): TenantSnapshot => ({
      tenantId,
      head,
      epoch,
      headReference: reference,
      receivedAt: clock,
      known: eventsByTenant.get(tenantId) ?? [],
      records: recordsByTenant.get(tenantId) ?? [],
    }),
  );
  return new Map(snapshots.map((snapshot) => [snapshot.tenantId, snapshot]));
}

interface TransactionNeeds {
  readonly ids: readonly string[];
  readonly keys: readonly IdentityKeyOfTenant[];
  readonly entities: readonly WithTenant<EntityRef>[];
  readonly bases: readonly WithTenant<EventBase>[];
}

/** Each tenant, key, entity and base once, in the order of the tenants and sorted within each of them. */
function collectNeeds(needs: readonly BatchNeeds[]): TransactionNeeds {
  const keys: IdentityKeyOfTenant[] = [];
  const entities: WithTenant<EntityRef>[] = [];
  const bases: WithTenant<EventBase>[] = [];
  const needsByTenant = Map.groupBy(needs, ({ tenantId }) => tenantId);
  const ids = [...needsByTenant.keys()].sort(compareText);
  for (const tenantId of ids) {
    const tenantNeeds = needsByTenant.get(tenantId) ?? [];
    const tenantKeys = new Set(tenantNeeds.flatMap(({ identityKeys }) => identityKeys));
    for (const identityKey of [...tenantKeys].sort()) keys.push({ tenantId, identityKey });
    const tenantEntities = new Map(
      tenantNeeds.flatMap((batch) => batch.entities).map((ref) => [entityKey(ref), ref]),
    );
    for (const [, ref] of [...tenantEntities].sort(([a], [b]) => compareText(a, b))) {
      entities.push({ tenantId, ...ref });
    }
    const tenantBases = new Map(
      tenantNeeds.flatMap((batch) => batch.bases).map((base) => [base.version, base]),
    );
    for (const [, base] of [...tenantBases].sort(([a], [b]) => a - b)) {
      bases.push({ tenantId, ...base });
    }
  }
  return { ids, keys, entities, bases };
}

/**
 * A base that is the version of the record, or older, needs no look-up. A base that is newer may be an event that
 * left the record as it was.
 */
async function loadLaterBases(
  client: PoolClient,
  bases: readonly WithTenant<EventBase>[],
  records: readonly WithTenant<RecordState>[],
): Promise<readonly WithTenant<KnownEvent>[]> {
  if (bases.length === 0) return [];
  const versions = new Map(records.map((record) => [tenantEntityKey(record), record.version]));
  const later = bases.filter((base) => {
    const version = versions.get(tenantEntityKey(base));
    return version !== undefined && base.version > version;
  });
  return later.length > 0 ? loadBaseEvents(client, later) : [];
}

function tenantEntityKey(entity: WithTenant<EntityRef>): string {
  return `${entity.tenantId}\n${entityKey(entity)}`;
}

/** Marks the records that came back into the feed after their tombstone was purged, and still have no data. */
function markPurged(
  kept: readonly WithTenant<RecordState>[],
  purged: readonly WithTenant<RecordState>[],
): readonly WithTenant<RecordState>[] {
  const keys = new Set(purged.map(tenantEntityKey));
  return kept.map((record) =>
    record.data === null && keys.has(tenantEntityKey(record))
      ? { ...record, purged: 'shown' }
      : record,
  );
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
