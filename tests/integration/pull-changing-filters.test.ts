import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import { accept, decide, putRecord, removeRecord } from '../../src/domain/kinds/policies/decide.ts';
import type { PullAnswer } from '../../src/protocol/pull.ts';
import { entityKeyOf } from '../testkit/oracle/entity-key.ts';
import { nextKey } from '../testkit/events/sent-events.ts';
import { propertyOptions } from '../testkit/events/random-writes.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { ofTenant } from '../testkit/postgres/tenant-history.ts';
import { createRetentionRunner } from '../testkit/app/retention.ts';

const types = ['a', 'b', 'c'] as const;
const writeSchema = z.strictObject({
  id: z.string(),
  /** The entities that the event writes, and those that it removes, all in one version. */
  puts: z.array(z.tuple([z.enum(types), z.string()])),
  removes: z.array(z.tuple([z.enum(types), z.string()])),
});

/** One event that writes records of several types. */
const written = defineKind({
  name: 'all.write',
  entityType: 'all',
  payload: payload(writeSchema),
  entityId: ({ id }) => id,
  policy: decide({
    reads: ({ puts, removes }) =>
      [...puts, ...removes].map(([entityType, entityId]) => ({ entityType, entityId })),
    decide: ({ id, puts, removes }) =>
      accept(
        ...puts.map(([entityType, entityId]) => putRecord({ entityType, entityId }, { by: id })),
        ...removes.map(([entityType, entityId]) => removeRecord({ entityType, entityId })),
      ),
  }),
});

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [written] });
});
afterAll(() => service.close());

const entity = fc.tuple(fc.constantFrom(...types), fc.constantFrom('1', '2', '3'));
const write = fc
  .uniqueArray(entity, { minLength: 1, maxLength: 4, selector: ([type, id]) => `${type}${id}` })
  .chain((entities) =>
    fc.nat({ max: entities.length }).map((puts) => ({
      step: 'write' as const,
      puts: entities.slice(0, puts),
      removes: entities.slice(puts),
    })),
  );
const filter = fc.subarray([...types, 'none']).map((list) => list.join(','));
const page = fc.record({
  step: fc.constant('page' as const),
  limit: fc.integer({ min: 1, max: 4 }),
});
const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: write },
    { weight: 8, arbitrary: page },
    { weight: 3, arbitrary: fc.record({ step: fc.constant('filter' as const), filter }) },
    { weight: 1, arbitrary: fc.record({ step: fc.constant('purge' as const) }) },
  ),
  { minLength: 5, maxLength: 40 },
);

/**
 * A client that keeps the pulled records, and drops the types that are no longer in its filter.
 *
 * @throws AssertionError if the same version of a record is sent twice
 */
function createClient(tenant: Tenant) {
  let table = new Map<string, number>();
  let since: string | undefined;
  let entityTypes = '';
  /** The versions that were received since the last change of the filter. */
  let received = new Set<string>();

  const isInFilter = (key: string) =>
    entityTypes === '' || entityTypes.split(',').includes(key.split(' ')[0] ?? '');

  async function pull(limit: number): Promise<boolean> {
    const query = new URLSearchParams({ limit: `${limit}` });
    if (since !== undefined) query.set('since', since);
    if (entityTypes !== '') query.set('entityTypes', entityTypes);
    const url = `/api/sync/changes?${query.toString()}`;
    const { status, body } = await service.request({ url, sender: tenant.sender() });
    if (status === 410) {
      [table, since, received] = [new Map(), undefined, new Set()];
      return true;
    }
    expect(status).toBe(200);
    const { changes, checkpoint, hasMore }: PullAnswer = body;
    // The other types are dropped with the first checkpoint that does not include them.
    for (const key of table.keys()) if (!isInFilter(key)) table.delete(key);
    for (const record of changes) {
      const key = entityKeyOf(record);
      const once = `${key} ${record.version}`;
      expect({ once, again: received.has(once) }).toEqual({ once, again: false });
      received.add(once);
      if (record.deleted) table.delete(key);
      else table.set(key, record.version);
    }
    since = checkpoint;
    return hasMore;
  }

  return {
    pull,
    get table() {
      return Object.fromEntries(table);
    },
    get entityTypes() {
      return entityTypes;
    },
    changeFilter(filterTypes: string) {
      entityTypes = filterTypes;
      // An unfinished bootstrap starts again and sends the same versions again.
      received = new Set();
    },
  };
}

async function recordsOf({ id }: Tenant, entityTypes: string) {
  const rows = await service.sql<{ key: string; version: number }>(
    `SELECT entity_type || ' ' || entity_id AS key, version::float8 AS version FROM records
      WHERE ${ofTenant} AND NOT deleted AND ($2 = '' OR entity_type = ANY(string_to_array($2, ',')))`,
    [id, entityTypes],
  );
  return Object.fromEntries(rows.map(({ key, version }) => [key, version] as const));
}

test('after any sequence of filters, a client has exactly the records of its filter', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 1, max: 4 }), async (history, lastLimit) => {
      const tenant = await createTenant(service);
      const runRetention = createRetentionRunner(service, { tombstoneMs: 1 });
      const client = createClient(tenant);
      for (const step of history) {
        if (step.step === 'write') {
          const content = { id: nextKey(), puts: step.puts, removes: step.removes };
          await tenant.push([{ identityKey: content.id, kind: 'all.write', payload: content }]);
        } else if (step.step === 'page') await client.pull(step.limit);
        else if (step.step === 'filter') client.changeFilter(step.filter);
        else {
          await sleep(2);
          await runRetention();
        }
      }
      while (await client.pull(lastLimit));
      expect(client.table).toEqual(await recordsOf(tenant, client.entityTypes));
    }),
    propertyOptions(60),
  );
}, 120_000);
