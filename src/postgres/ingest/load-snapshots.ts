import type { PoolClient } from 'pg';
import type { BatchNeeds, TenantSnapshot } from '../../domain/decide/tenant-plan.ts';
import type { EventBase, KnownEvent } from '../../domain/event.ts';
import type { EntityRef } from '../../domain/record.ts';
import { runPipelined } from '../client/pipeline.ts';
import type { OfTenant } from '../client/row-set.ts';
import type { Tables } from '../client/pool.ts';
import type { TenantForm } from '../client/tenant-rows.sql.ts';
import { begin, tenantScope } from '../client/transaction.sql.ts';
import {
  type LoadedRecord,
  loadBaseEvents,
  loadKnownEvents,
  loadPurgedRecords,
  loadRecords,
} from './load.sql.ts';
import { lockTenants } from './tenant-heads.sql.ts';
import { TenantEntityMap } from './tenant-entity-map.ts';

/** The tenants of one transaction: their numbers by id. */
export type NumberedTenants = ReadonlyMap<string, number>;

/** The number of a tenant was outdated when its row was locked. */
export class OutdatedTenantsError extends Error {
  override readonly name = 'OutdatedTenantsError';
  readonly tenantIds: readonly string[];

  constructor(tenantIds: readonly string[]) {
    super('the number of a tenant is outdated');
    this.tenantIds = tenantIds;
  }
}

/** Places of rows, as PostgreSQL prints a `ctid`. */
export type RecordPlaces = Pick<TenantEntityMap<string>, 'get'>;

/** What one transaction has loaded. */
export interface LoadedTenants {
  readonly snapshots: ReadonlyMap<string, TenantSnapshot>;
  /** Where the rows of the loaded records are. */
  readonly places: RecordPlaces;
}

export interface LoadRequest {
  readonly tenants: NumberedTenants;
  readonly needs: readonly BatchNeeds[];
  /** Whether the keys of a tenant's events are looked up too, and not only the keys that edits name as their base. */
  readonly looksUpKeys: (tenantId: string) => boolean;
  readonly tables: Tables;
}

/**
 * Begins a transaction, locks the tenants and loads what their batches need, in one round trip. A later base and
 * purged records cost one more each.
 *
 * @throws pg errors; WorkLimitError; OutdatedTenantsError
 */
export async function loadSnapshots(
  client: PoolClient,
  { tenants, needs, looksUpKeys, tables }: LoadRequest,
): Promise<LoadedTenants> {
  const { form } = tables;
  const numbers = [...tenants.values()].sort((a, b) => a - b);
  const { entities, bases } = collectNeeds(needs, tenants);
  const keys = collectKeys(needs, tenants, looksUpKeys);
  const [, heads, kept, known] = await runPipelined(client, (sender) =>
    Promise.all([
      begin(sender, tenantScope(numbers), tables),
      lockTenants(sender, numbers),
      loadRecords(sender, entities, form),
      keys.length > 0 ? loadKnownEvents(sender, keys, form) : [],
    ]),
  );
  const locked = new Set(
    heads.flatMap(({ tenantId, tenantNo }) =>
      tenants.get(tenantId) === tenantNo ? [tenantId] : [],
    ),
  );
  const outdated = [...tenants.keys()].filter((tenantId) => !locked.has(tenantId));
  if (outdated.length > 0) throw new OutdatedTenantsError(outdated);

  const mayHavePurged = new Set(
    heads.filter(({ horizon }) => horizon > 0).map(({ tenantNo }) => tenantNo),
  );
  const purgeable = entities.filter(({ tenantNo }) => mayHavePurged.has(tenantNo));
  const purged = purgeable.length > 0 ? await loadPurgedRecords(client, purgeable, form) : [];
  const records = [...purged, ...markPurged(kept, purged)];
  const baseEvents = await loadLaterBases(client, bases, { records, form });

  // A base that is also sent again keeps the event that was loaded by its key, which has its `previous`.
  const eventsByTenant = groupByTenant([...baseEvents, ...known]);
  const recordsByTenant = groupByTenant(records);
  const snapshots = heads.map(
    ({ tenantId, tenantNo, head, epoch, reference, clock }): TenantSnapshot => ({
      tenantId,
      head,
      epoch,
      headReference: reference,
      receivedAt: clock,
      known: eventsByTenant.get(tenantNo) ?? [],
      records: recordsByTenant.get(tenantNo) ?? [],
    }),
  );
  return {
    snapshots: new Map(snapshots.map((snapshot) => [snapshot.tenantId, snapshot])),
    places: placesOf(kept),
  };
}

export interface KeysRequest extends Pick<LoadRequest, 'tenants' | 'needs'> {
  readonly form: TenantForm;
}

/**
 * Looks up the keys of events that were not looked up with the snapshots. Call it in the same transaction.
 *
 * @returns the stored events by tenant
 */
export async function loadKnown(
  client: PoolClient,
  { tenants, needs, form }: KeysRequest,
): Promise<ReadonlyMap<string, readonly KnownEvent[]>> {
  const known = await loadKnownEvents(
    client,
    collectKeys(needs, tenants, () => true),
    form,
  );
  const byNumber = groupByTenant(known);
  return new Map([...tenants].map(([tenantId, no]) => [tenantId, byNumber.get(no) ?? []]));
}

function placesOf(records: readonly LoadedRecord[]): RecordPlaces {
  const places = new TenantEntityMap<string>();
  for (const record of records) if (record.place !== null) places.set(record, record.place);
  return places;
}

function groupByTenant<Row>(rows: readonly OfTenant<Row>[]): ReadonlyMap<number, readonly Row[]> {
  const groups = new Map<number, Row[]>();
  for (const { tenantNo, row } of rows) {
    const group = groups.get(tenantNo);
    if (group) group.push(row);
    else groups.set(tenantNo, [row]);
  }
  return groups;
}

/** Each entity and base of the tenants once. */
function collectNeeds(needs: readonly BatchNeeds[], tenants: NumberedTenants) {
  const entities: OfTenant<EntityRef>[] = [];
  const seen = new TenantEntityMap<true>();
  const bases = new Map<string, OfTenant<EventBase>>();
  for (const batch of needs) {
    const tenantNo = mustGet(tenants, batch.tenantId);
    for (const row of batch.entities) {
      const entity = { tenantNo, row };
      if (seen.has(entity)) continue;
      seen.set(entity, true);
      entities.push(entity);
    }
    for (const row of batch.bases) bases.set(`${tenantNo}\n${row.version}`, { tenantNo, row });
  }
  return { entities, bases: [...bases.values()] };
}

/** The hashes of the keys that have to be looked up, each once. */
function collectKeys(
  needs: readonly BatchNeeds[],
  tenants: NumberedTenants,
  looksUpKeys: (tenantId: string) => boolean,
): readonly OfTenant<string>[] {
  const keys = new Map<string, OfTenant<string>>();
  for (const { tenantId, keyHashes, baseKeyHashes } of needs) {
    const tenantNo = mustGet(tenants, tenantId);
    const wanted = looksUpKeys(tenantId) ? [...keyHashes, ...baseKeyHashes] : baseKeyHashes;
    for (const row of wanted) keys.set(`${tenantNo}\n${row}`, { tenantNo, row });
  }
  return [...keys.values()];
}

/**
 * A base that is the version of the record, or older, needs no look-up. A base that is newer may be an event that
 * left the record as it was.
 */
async function loadLaterBases(
  client: PoolClient,
  bases: readonly OfTenant<EventBase>[],
  { records, form }: { readonly records: readonly LoadedRecord[]; readonly form: TenantForm },
): Promise<readonly OfTenant<KnownEvent>[]> {
  if (bases.length === 0) return [];
  const versions = new TenantEntityMap<number>();
  for (const record of records) versions.set(record, record.row.version);
  const later = bases.filter((base) => {
    const version = versions.get(base);
    return version !== undefined && base.row.version > version;
  });
  return later.length > 0 ? loadBaseEvents(client, later, form) : [];
}

/** Marks the records that came back into the feed after their tombstone was purged, and still have no data. */
function markPurged(
  kept: readonly LoadedRecord[],
  purged: readonly LoadedRecord[],
): readonly LoadedRecord[] {
  if (purged.length === 0) return kept;
  const isPurged = new TenantEntityMap<true>();
  for (const record of purged) isPurged.set(record, true);
  return kept.map((record) =>
    record.row.data === null && isPurged.has(record)
      ? { ...record, row: { ...record.row, purged: 'shown' } }
      : record,
  );
}

function mustGet(tenants: NumberedTenants, tenantId: string): number {
  const no = tenants.get(tenantId);
  if (no === undefined) throw new Error('a tenant of the transaction has no number');
  return no;
}
