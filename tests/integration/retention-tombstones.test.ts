import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import { accept, decide, putRecord, removeRecord } from '../../src/domain/kinds/policies/decide.ts';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { documentKinds } from '../testkit/kinds/document-kinds.ts';
import { nextKey, patchNote, putNote, removeNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { checkpointExpired, pullStatusOf } from '../testkit/app/pull-status.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import {
  createRetentionRunner,
  horizonsOf,
  letDaysPass,
  tombstonesOf,
} from '../testkit/app/retention.ts';

const docRef = (entityId: string) => ({ entityType: 'doc', entityId });
/** A kind whose event writes one record and deletes others. All of them get the event's version. */
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

const judged = (tenant: Tenant, since: string) => pullStatusOf(service, tenant, { since });

const live = async (tenant: Tenant) =>
  (await tenant.pull()).changes.map(({ entityId, data }) => [entityId, data]);

test('a tombstone is purged when it is older than the retention, and live records stay', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1'), putNote('n2'), putNote('n3'), removeNote('n1'), putNote('n4')]);
  await letDaysPass(tenant, 50);
  await tenant.push([removeNote('n2')]);
  await letDaysPass(tenant, 39);
  const clean = createRetentionRunner(service);
  await clean();
  expect(await tombstonesOf(tenant)).toEqual(['n1', 'n2']);
  await letDaysPass(tenant, 2);
  await clean();
  expect(await tombstonesOf(tenant)).toEqual(['n2']);
  expect(await horizonsOf(tenant)).toMatchObject({ horizon: 4 });
  expect((await live(tenant)).map(([id]) => id)).toEqual(['n3', 'n4']);
});

test('a checkpoint before a purged tombstone has expired, and one at or after it is valid', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1'), putNote('n2'), putNote('n3')]);
  await letDaysPass(tenant, 100);
  const before = await tenant.pull();
  await tenant.push([removeNote('n1')]);
  await letDaysPass(tenant, 95, 3);
  const at = await tenant.pull();
  await tenant.push([putNote('n4')]);
  const after = await tenant.pull();
  const checkpoints = [tenant.start, ...[before, at, after].map(({ checkpoint }) => checkpoint)];
  const judgements = () => Promise.all(checkpoints.map((since) => judged(tenant, since)));
  expect(await judgements()).toEqual(['good', 'good', 'good', 'good']);
  await createRetentionRunner(service)();
  expect(await judgements()).toEqual([checkpointExpired, checkpointExpired, 'good', 'good']);
});

test('a tenant that deletes nothing keeps its oldest checkpoints', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1'), patchNote('n1', { title: 'A' })]);
  await letDaysPass(tenant, 1000);
  const { checkpoint } = await tenant.pull();
  await tenant.push([putNote('n2')]);
  await createRetentionRunner(service)();
  expect(await horizonsOf(tenant)).toMatchObject({ horizon: 0 });
  expect(await judged(tenant, tenant.start)).toBe('good');
  expect((await tenant.pull({ since: checkpoint })).changes).toHaveLength(1);
});

test.each([1, 2, 3])(
  'all tombstones are purged in batches of %i, also several of one event and those between live records',
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
    await tenant.push([...notes.map((id) => putNote(id)), ...docs.map(putDoc)]);
    await tenant.push([removeNote('n1'), clear, removeNote('n4'), putNote('n2'), removeNote('n8')]);
    await letDaysPass(tenant, 91);
    await tenant.push([removeNote('n6')]);
    expect(await tombstonesOf(tenant)).toEqual(['n1', ...docs, 'n4', 'n8', 'n6']);
    const clean = createRetentionRunner(service, { batchRows });
    expect(await clean()).toMatchObject({ tombstones: 8, busy: 0, errors: [], stopped: false });
    expect(await tombstonesOf(tenant)).toEqual(['n6']);
    expect(await horizonsOf(tenant)).toMatchObject({ horizon: 19 });
    expect(await clean()).toMatchObject({ tombstones: 0 });
  },
);

test('a purge does not change the same entities of another tenant', async () => {
  const [mine, theirs] = [await createTenant(service), await createTenant(service)];
  for (const tenant of [mine, theirs]) await tenant.push([putNote('n1'), removeNote('n1')]);
  await letDaysPass(mine, 91);
  await createRetentionRunner(service)();
  expect(await tombstonesOf(mine)).toEqual([]);
  expect(await tombstonesOf(theirs)).toEqual(['n1']);
  expect(await judged(theirs, theirs.start)).toBe('good');
});
