import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { accept, putRecord, removeRecord } from '../../src/domain/kinds/decisions.ts';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { payload } from '../../src/domain/kinds/payload-versions.ts';
import { decide } from '../../src/domain/kinds/policies.ts';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { documentKinds } from '../testkit/oracle/documents.ts';
import { nextKey, patch, put, remove } from '../testkit/oracle/events.ts';
import { createTenant, type Tenant } from '../testkit/oracle/tenant.ts';
import { expired, judgePull } from '../testkit/oracle/judge-pull.ts';
import { startApp, type TestApp } from '../testkit/app.ts';
import { createCleaner, horizonsOf, letDaysPass, tombstonesOf } from '../testkit/retention.ts';

const docRef = (entityId: string) => ({ entityType: 'doc', entityId });
/** One event that writes a record and deletes others, which all get its version. */
const replaceDocs = defineKind({
  name: 'doc.replace',
  entityType: 'doc',
  payload: payload(z.strictObject({ by: z.string(), ids: z.array(z.string()) })),
  entityId: ({ by }) => by,
  policy: decide({
    reads: ({ ids }) => ids.map(docRef),
    decide: ({ by, ids }) =>
      accept(putRecord(docRef(by), { by }), ...ids.map(docRef).map(removeRecord)),
  }),
});

let service: TestApp;
beforeAll(async () => {
  const kinds = [...documentKinds('doc'), replaceDocs];
  service = await startApp({ kinds: [...bundledKinds, ...kinds] });
});
afterAll(() => service.close());
beforeEach(() => service.sql('TRUNCATE tenants, events, records, purged_records, conflicts'));

const judged = (tenant: Tenant, since: string) => judgePull(service, tenant, { since });

const live = async (tenant: Tenant) =>
  (await tenant.pull()).changes.map(({ entityId, data }) => [entityId, data]);

test('a tombstone goes when it is older than the retention, and what is alive stays', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1'), put('n2'), put('n3'), remove('n1'), put('n4')]);
  await letDaysPass(tenant, 50);
  await tenant.push([remove('n2')]);
  await letDaysPass(tenant, 39);
  const clean = createCleaner(service);
  await clean();
  expect(await tombstonesOf(tenant)).toEqual(['n1', 'n2']);
  await letDaysPass(tenant, 2);
  await clean();
  expect(await tombstonesOf(tenant)).toEqual(['n2']);
  expect(await horizonsOf(tenant)).toMatchObject({ horizon: 4 });
  expect((await live(tenant)).map(([id]) => id)).toEqual(['n3', 'n4']);
});

test('a checkpoint before a purged tombstone has expired, one at it or after it is good', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1'), put('n2'), put('n3')]);
  await letDaysPass(tenant, 100);
  const before = await tenant.pull();
  await tenant.push([remove('n1')]);
  await letDaysPass(tenant, 95, 3);
  const at = await tenant.pull();
  await tenant.push([put('n4')]);
  const after = await tenant.pull();
  const checkpoints = [tenant.start, ...[before, at, after].map(({ checkpoint }) => checkpoint)];
  const judgements = () => Promise.all(checkpoints.map((since) => judged(tenant, since)));
  expect(await judgements()).toEqual(['good', 'good', 'good', 'good']);
  await createCleaner(service)();
  expect(await judgements()).toEqual([expired, expired, 'good', 'good']);
});

test('a tenant that deletes nothing keeps its oldest checkpoints', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1'), patch('n1', { title: 'A' })]);
  await letDaysPass(tenant, 1000);
  const { checkpoint } = await tenant.pull();
  await tenant.push([put('n2')]);
  await createCleaner(service)();
  expect(await horizonsOf(tenant)).toMatchObject({ horizon: 0 });
  expect(await judged(tenant, tenant.start)).toBe('good');
  expect((await tenant.pull({ since: checkpoint })).changes).toHaveLength(1);
});

test.each([1, 2, 3])(
  'all are found in batches of %i, those of one event and those between live ones too',
  async (batchRows) => {
    const tenant = await createTenant(service);
    const docs = ['a', 'b', 'c', 'd', 'e'];
    const putDoc = (id: string) => ({
      ...{ identityKey: nextKey(), kind: 'doc.put' },
      payload: { id, fields: {} },
    });
    const notes = Array.from({ length: 9 }, (_, at) => `n${at}`);
    const clear = {
      ...{ identityKey: nextKey(), kind: 'doc.replace' },
      payload: { by: 'all', ids: docs },
    };
    await tenant.push([...notes.map((id) => put(id)), ...docs.map(putDoc)]);
    await tenant.push([remove('n1'), clear, remove('n4'), put('n2'), remove('n8')]);
    await letDaysPass(tenant, 91);
    await tenant.push([remove('n6')]);
    expect(await tombstonesOf(tenant)).toEqual(['n1', ...docs, 'n4', 'n8', 'n6']);
    const clean = createCleaner(service, { batchRows });
    expect(await clean()).toMatchObject({ tombstones: 8, busy: 0, errors: [], stopped: false });
    expect(await tombstonesOf(tenant)).toEqual(['n6']);
    expect(await horizonsOf(tenant)).toMatchObject({ horizon: 19 });
    expect(await clean()).toMatchObject({ tombstones: 0 });
  },
);

test('a tenant’s purge leaves the same entities of another tenant alone', async () => {
  const [mine, theirs] = [await createTenant(service), await createTenant(service)];
  for (const tenant of [mine, theirs]) await tenant.push([put('n1'), remove('n1')]);
  await letDaysPass(mine, 91);
  await createCleaner(service)();
  expect(await tombstonesOf(mine)).toEqual([]);
  expect(await tombstonesOf(theirs)).toEqual(['n1']);
  expect(await judged(theirs, theirs.start)).toBe('good');
});
