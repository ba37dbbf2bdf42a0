import { setTimeout as sleep } from 'node:timers/promises';
import { expect, vi } from 'vitest';
import { z } from 'zod';
import { defineKind } from '../../../src/domain/kinds/define-kind.ts';
import { accept, decide, putRecord } from '../../../src/domain/kinds/policies/decide.ts';
import { createRegistry } from '../../../src/domain/kinds/registry.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { listSchemas } from '../../../src/domain/kinds/shipped-schemas.ts';
import { createPool, type SchemaPool } from '../../../src/postgres/client/pool.ts';
import { readInstanceKeys } from '../../../src/postgres/instance/instance-keys.ts';
import { createKindSchemaStore } from '../../../src/postgres/kind-schemas/kind-schema-store.ts';
import { createTenantList } from '../../../src/postgres/tenants/tenant-list.ts';
import { createTenantRemoval } from '../../../src/postgres/tenants/tenant-removal.ts';
import { nextKey, putNote, removeNote } from '../events/sent-events.ts';
import { noteKinds } from '../kinds/storeroom-kinds.ts';
import { ofTenant } from '../postgres/tenant-history.ts';
import { auditOf } from './audit.ts';
import { createRetentionRunner, letDaysPass } from './retention.ts';
import { createTenant, type Tenant } from './tenant.ts';
import type { TestApp } from './test-app.ts';

// Everything that a service does with its database: the works together send each of its statements.

/** A kind whose event also writes a record of another entity. */
const noteMoved = defineKind({
  name: 'note.moved',
  entityType: 'note',
  payload: payload(z.strictObject({ id: z.string(), shelf: z.string() })),
  entityId: ({ id }) => id,
  policy: decide({
    reads: ({ shelf }) => [{ entityType: 'shelf', entityId: shelf }],
    decide: ({ id, shelf }) =>
      accept(
        putRecord({ entityType: 'note', entityId: id }, { shelf }),
        putRecord({ entityType: 'shelf', entityId: shelf }, { newest: id }),
      ),
  }),
});

export const allWorkKinds = [...noteKinds, noteMoved];

const moved = (id: string, shelf: string) => ({
  identityKey: nextKey(),
  kind: 'note.moved',
  payload: { id, shelf },
});

/** The most rows that a statement asks for: for a page of 50 records, and the tombstones between them. */
const maxRows = 110;
/** The most rows for a page of tenants, of which retention asks for several hundred. */
const maxTenants = 500;

const maxTries = 30_000;
const dayMs = 86_400_000;

function mustEqual(actual: unknown, expected: unknown): void {
  expect(actual).toEqual(expected);
}

/** What the works are done with. */
export interface WorkPlace {
  readonly service: TestApp;
  readonly tenant: Tenant;
}

/** A checkpoint without a filter, after which a pull finds little. */
async function recentCheckpoint(tenant: Tenant): Promise<string> {
  return (await tenant.push([putNote(nextKey())])).checkpoint;
}

export interface ServiceTask {
  readonly what: string;
  readonly role: 'landfall_service' | 'landfall_operator';
  /** The most rows that one statement asks for. */
  readonly maxRows: number;
  /** Whether its statements together may pass each record of the tenant once, beside that. */
  readonly passesRecords?: boolean;
  run(place: WorkPlace): Promise<unknown>;
}

const asService = (what: string, run: ServiceTask['run']): ServiceTask => ({
  ...{ what, run, maxRows },
  role: 'landfall_service',
});
const asOperator = (what: string, run: ServiceTask['run'], most = maxRows): ServiceTask => ({
  ...{ what, run, maxRows: most },
  role: 'landfall_operator',
});

export const allWork: readonly ServiceTask[] = [
  asService('the start of a service', ({ service }) => withPool(service, readInstanceKeys)),
  asOperator('the comparison of the schemas of the kinds', ({ service }) =>
    withPool(service, async (pool) => {
      const shipped = listSchemas(createRegistry(noteKinds)).slice(0, 2);
      await createKindSchemaStore(pool).keep(shipped, () => {});
    }),
  ),
  asService('the first pull and the first push of a tenant', async ({ service }) => {
    const tenant = await createTenant(service);
    mustEqual(await tenant.pushStatuses([putNote('n1')]), ['applied']);
  }),
  asService('a poll that finds nothing', async ({ tenant }) => {
    const { checkpoint } = await tenant.pull({ since: await recentCheckpoint(tenant) });
    mustEqual((await tenant.pull({ since: checkpoint })).changes, []);
  }),
  asService('pushes of new events, edits, effects and conflicts', async ({ tenant }) => {
    const [n1, n2] = [nextKey(), nextKey()];
    await tenant.push([putNote(n1), putNote(n2), moved(nextKey(), 's'), removeNote('gone-7')]);
    const conflict = putNote(n1, { title: 'stale' }, { baseVersion: 0 });
    const edits = [putNote(n1, { title: 'B' }), moved(n2, 's'), removeNote('old-9'), conflict];
    const [edited, alsoEdited, , refused] = await tenant.pushStatuses(edits);
    mustEqual([edited, alsoEdited, refused], ['applied', 'applied', 'CONFLICT']);
    // The base is later than the version of the record, so the event of the base is looked up.
    const { version } = (await tenant.log()).at(-1) ?? { version: 0 };
    await tenant.push([putNote(n1, { title: 'C' }, { baseVersion: version })]);
    await tenant.push([putNote(n1, { title: 'D' }, { baseKey: conflict.identityKey })]);
  }),
  asService('pushes of events that are stored', async ({ service, tenant }) => {
    const known = putNote(nextKey());
    await tenant.push([known]);
    const { version } = (await tenant.log()).at(-1) ?? { version: 0 };
    for (const events of [[known], [known, putNote(nextKey())]]) await tenant.push(events);
    // The resends are counted a moment after the push.
    const isCounted = async () => {
      const text = `SELECT FROM resends WHERE ${ofTenant} AND version = $2`;
      return (await service.sql(text, [tenant.id, version])).length > 0;
    };
    await vi.waitUntil(isCounted, { timeout: maxTries, interval: 50 });
  }),
  asService('pages of changes', async ({ tenant }) => {
    const since = await recentCheckpoint(tenant);
    await tenant.push([putNote(nextKey()), putNote(nextKey()), putNote(nextKey())]);
    mustEqual((await tenant.pull({ since, limit: 1 })).hasMore, true);
    mustEqual((await tenant.pull({ since, limit: 50 })).changes.length >= 3, true);
  }),
  asService('pages of a bootstrap', async ({ tenant }) => {
    await tenant.push([putNote(nextKey()), putNote(nextKey()), putNote(nextKey())]);
    const { checkpoint } = await tenant.pull({ limit: 1 });
    await tenant.pull({ since: checkpoint, limit: 50 });
  }),
  asService('pages of some entity types', async ({ tenant }) => {
    await tenant.push([moved(nextKey(), nextKey()), putNote(nextKey())]);
    const entityTypes = 'note,other';
    await tenant.pull({ entityTypes, limit: 50 });
    const { checkpoint } = await tenant.pull({
      since: await recentCheckpoint(tenant),
      entityTypes,
    });
    await tenant.push([moved(nextKey(), nextKey()), putNote(nextKey())]);
    const { changes } = await tenant.pull({ since: checkpoint, entityTypes, limit: 50 });
    mustEqual(changes.length, 2);
  }),
  asService('pages of an entity type that has few records', async ({ tenant }) => {
    await tenant.push([moved(nextKey(), nextKey())]);
    await pullAll(tenant, { entityTypes: 'shelf' });
    await tenant.pull({ since: await recentCheckpoint(tenant), entityTypes: 'shelf', limit: 50 });
  }),
  asService('pages after an entity type was added to the filter', (place) =>
    widenFilter(place, { entityTypes: 'note,shelf' }),
  ),
  {
    // The records that the client has lie between the others.
    ...asService('pages after the filter was left out', (place) => widenFilter(place, {})),
    passesRecords: true,
  },
  asService('lists of conflicts, and the resolution of one', async ({ tenant }) => {
    const id = nextKey();
    const conflicts = [1, 2].map((at) => putNote(id, { title: `${at}` }, { baseVersion: 0 }));
    await tenant.push([putNote(id), ...conflicts]);
    const audit = auditOf(tenant);
    for (const state of ['open', 'resolved', 'all']) await audit.conflicts({ state, limit: 20 });
    const limit = 20;
    await audit.conflicts({
      entityType: 'note',
      entityId: id,
      after: (await tenant.head()) - 3,
      limit,
    });
    const key = conflicts[0]?.identityKey ?? '';
    mustEqual((await audit.resolve(key, { resolution: 'discard' })).status, 200);
    mustEqual((await audit.conflict(key)).resolved?.resolution, 'discard');
  }),
  asService('histories', async ({ tenant }) => {
    const shelf = nextKey();
    await tenant.push([moved(nextKey(), shelf), putNote('e1', { title: 'newest' })]);
    const audit = auditOf(tenant);
    mustEqual((await audit.history('shelf', shelf)).events.length, 1);
    const { events } = await audit.history('note', 'e1', { limit: 20 });
    await audit.history('note', 'e1', { limit: 20, before: events.at(-1)?.version ?? 0 });
    await audit.history('other', 'e1', { limit: 20 });
  }),
  asService('a look-up of receipts', async ({ tenant }) => {
    const id = nextKey();
    const conflict = putNote(id, {}, { baseVersion: 0 });
    await tenant.push([putNote(id), conflict]);
    const receipts = await auditOf(tenant).receipts(conflict.identityKey, 'old-7', 'unknown');
    mustEqual(receipts[0]?.found, true);
  }),
  asOperator('a list of tenants', ({ service }) =>
    withPool(service, (pool) => createTenantList(pool).list('', 10)),
  ),
  asOperator(
    'retention',
    async ({ service, tenant }) => {
      const id = nextKey();
      await tenant.push([putNote(id), removeNote(id)]);
      await letDaysPass(tenant, 2, (await tenant.head()) - 100);
      const settings = { tombstoneMs: dayMs, eventMs: dayMs, batchRows: 50 };
      await createRetentionRunner(service, settings)();
      // Pushes look for the purged record, and find it.
      mustEqual(await tenant.pushStatuses([putNote(id)]), ['applied']);
    },
    maxTenants,
  ),
  asOperator('the removal of a tenant', async ({ service }) => {
    const other = await createTenant(service);
    await other.push(Array.from({ length: 25 }, (_, at) => putNote(`n${at}`)));
    await withPool(service, async (pool) => {
      const removal = createTenantRemoval(pool);
      mustEqual((await removal.count(other.id, 10))?.get('records'), 10);
      mustEqual((await removal.remove(other.id, 10))?.get('records'), 25);
    });
  }),
];

type Filter = { readonly since?: string; readonly entityTypes?: string };

/** Pulls page by page, the first of one record. @param betweenPages called before each page but the first */
async function pullAll(
  tenant: Tenant,
  filter: Filter,
  betweenPages: () => Promise<unknown> = () => sleep(0),
): Promise<void> {
  let page = await tenant.pull({ ...filter, limit: 1 });
  for (let pages = 1; page.hasMore && pages < 10; pages += 1) {
    await betweenPages();
    page = await tenant.pull({ ...filter, since: page.checkpoint, limit: 50 });
  }
}

/** A client that has the notes asks for more. Of other entity types there are few records. */
async function widenFilter({ tenant }: WorkPlace, filter: Filter): Promise<void> {
  const move = () => tenant.push([moved(nextKey(), nextKey())]);
  for (let count = 0; count < 3; count += 1) await move();
  const [since, entityTypes] = [await recentCheckpoint(tenant), 'note'];
  const { checkpoint } = await tenant.pull({ since, entityTypes, limit: 50 });
  // Of the notes it also needs what changed since.
  await move();
  await pullAll(tenant, { ...filter, since: checkpoint }, move);
}

/** Works of the operator and of the start use a connection of their own. */
async function withPool<Result>(
  { database }: TestApp,
  use: (pool: SchemaPool) => Promise<Result>,
): Promise<Result> {
  const connectionString = database.url;
  const pool = createPool({ connectionString, max: 1, onIdleError: () => {} });
  try {
    return await use(pool);
  } finally {
    await pool.end();
  }
}
