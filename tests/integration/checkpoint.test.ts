import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { problemSchema } from '../../src/protocol/problem.ts';
import { expectNothingLost } from '../testkit/checker/check.ts';
import { documentKinds } from '../testkit/kinds/document-kinds.ts';
import { putNote, removeNote } from '../testkit/events/sent-events.ts';
import { createTenant, expectExactShape, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { cutHistory, ofTenant } from '../testkit/postgres/tenant-history.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [...bundledKinds, ...documentKinds('doc')] });
});
afterAll(() => service.close());

function pullSince(tenant: Tenant, since: string) {
  const url = `/api/sync/changes?since=${encodeURIComponent(since)}`;
  return service.request({ url, sender: tenant.sender() });
}

/** The code of the refusal and whether it may be cached, or `good`. */
async function judged(tenant: Tenant, since: string) {
  const { status, body, headers } = await pullSince(tenant, since);
  if (status === 200) return 'good';
  const { code } = expectExactShape(problemSchema, body);
  return `${status} ${code} ${String(headers['cache-control'])}`;
}
const expired = '410 CHECKPOINT_EXPIRED no-store';

async function refusal(tenant: Tenant, since: string) {
  const { status, body } = await pullSince(tenant, since);
  expectExactShape(problemSchema, body);
  expect([since, status, body.code]).toEqual([since, 400, 'INVALID_CHECKPOINT']);
  return JSON.stringify(body);
}

/** What a restore from a backup does that was made at `version`: the tail is gone. */
const loseTail = ({ id }: Tenant, version: number) => cutHistory(service.sql, id, version);

test("another tenant's checkpoint says the same whether its position exists here or not", async () => {
  const [mine, theirs] = [await createTenant(service), await createTenant(service)];
  await theirs.push([putNote('n1'), putNote('n2'), putNote('n3')]);
  const { checkpoint } = await theirs.pull();
  const ahead = await refusal(mine, checkpoint);
  await mine.push([putNote('n1'), putNote('n2'), putNote('n3'), putNote('n4')]);
  expect(await refusal(mine, checkpoint)).toBe(ahead);
});

test('a filter is a set: neither order nor repetition makes another one', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1')]);
  const { checkpoint } = await tenant.pull({ entityTypes: 'note,doc' });
  for (const entityTypes of ['doc,note', 'note,doc,note']) {
    expect((await tenant.pull({ entityTypes, since: checkpoint })).checkpoint).toBe(checkpoint);
  }
});

test('a checkpoint at the horizon is good', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1'), removeNote('n1')]);
  const { checkpoint } = await tenant.pull({ since: tenant.start });
  await service.sql('UPDATE tenants SET horizon = head WHERE id = $1', [tenant.id]);
  await tenant.push([putNote('n2')]);
  expect((await tenant.pull({ since: checkpoint })).changes).toHaveLength(1);
});

test('a bootstrap under way expires once a tombstone that it needs may be purged', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('old'), removeNote('old'), putNote('n1'), putNote('n2')]);
  const { checkpoint } = await tenant.pull({ limit: 1 });
  await service.sql('UPDATE tenants SET horizon = head WHERE id = $1', [tenant.id]);
  expect(await judged(tenant, checkpoint)).toBe('good');
  await tenant.push([removeNote('n1')]);
  await service.sql('UPDATE tenants SET horizon = head WHERE id = $1', [tenant.id]);
  await service.sql(`DELETE FROM records WHERE ${ofTenant} AND deleted`, [tenant.id]);
  expect(await judged(tenant, checkpoint)).toBe(expired);
});

test('a horizon belongs to one tenant: others keep their checkpoints', async () => {
  const [mine, theirs] = [await createTenant(service), await createTenant(service)];
  await mine.push([putNote('n1')]);
  await theirs.push([putNote('n1')]);
  await service.sql('UPDATE tenants SET horizon = head WHERE id = $1', [theirs.id]);
  expect(await judged(mine, mine.start)).toBe('good');
});

test('a checkpoint of a lost history has expired, also once the head has passed it', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1'), putNote('n2')]);
  const kept = await tenant.pull();
  await tenant.push([putNote('n3'), putNote('n4')]);
  const lost = await tenant.pull();
  await loseTail(tenant, 2);
  await tenant.push([putNote('m3'), putNote('m4')]);
  expect(await judged(tenant, lost.checkpoint)).toBe(expired);
  await tenant.push([putNote('m5')]);
  expect(await judged(tenant, lost.checkpoint)).toBe(expired);
  const { changes } = await tenant.pull({ since: kept.checkpoint });
  expect(changes.map(({ entityId }) => entityId)).toEqual(['m3', 'm4', 'm5']);
});

test('a checkpoint of a lost history has expired, also where the same events came again', async () => {
  const tenant = await createTenant(service);
  const events = [putNote('n1'), putNote('n2'), putNote('n3')];
  await tenant.push(events);
  const { checkpoint } = await tenant.pull();
  await loseTail(tenant, 1);
  await tenant.push(events);
  expect(await judged(tenant, checkpoint)).toBe(expired);
});

test('the checkpoint of a push of a lost history has expired', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1')]);
  await tenant.push([putNote('n2')]);
  const { checkpoint } = await tenant.push([putNote('n3')]);
  await loseTail(tenant, 1);
  await tenant.push([putNote('m2'), putNote('m3'), putNote('m4')]);
  expect(await judged(tenant, checkpoint)).toBe(expired);
});

test('a bootstrap that a restore interrupted has expired, so that it misses no tombstone', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1'), putNote('n2'), putNote('n3'), putNote('n4'), putNote('n5')]);
  const { checkpoint } = await tenant.pull({ limit: 1 });
  await loseTail(tenant, 3);
  // A tombstone below the head that the bootstrap began with.
  await tenant.push([removeNote('n1')]);
  expect(await judged(tenant, checkpoint)).toBe(expired);
  await tenant.push([putNote('n6'), putNote('n7')]);
  expect(await judged(tenant, checkpoint)).toBe(expired);
});

test('a client whose checkpoint has expired bootstraps and has the same records again', async () => {
  const tenant = await createTenant(service);
  const puller = tenant.device('puller');
  await tenant.push([putNote('n1'), putNote('n2')]);
  await puller.catchUp(1);
  await loseTail(tenant, 1);
  tenant.checkOptions.history.recordRestore(1);
  await tenant.push([putNote('n3')]);
  expect(await puller.page(10)).toBe('expired');
  await puller.catchUp(1);
  await expectNothingLost({ ...tenant.checkOptions, devices: [puller] });
});

test('an expired checkpoint is not answered 304', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1'), putNote('n2')]);
  const { checkpoint } = await tenant.pull();
  await loseTail(tenant, 1);
  const { status } = await service.request({
    url: `/api/sync/changes?since=${checkpoint}`,
    headers: { 'if-none-match': `"${checkpoint}"` },
    sender: tenant.sender(),
  });
  expect(status).toBe(410);
});

test('a checkpoint outlives the process: another one on the same database takes it', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1')]);
  const { checkpoint } = await tenant.pull();
  await tenant.push([putNote('n2')]);
  const other = await startApp({ database: service.database });
  const page = await other.pull({ since: checkpoint }, tenant.sender());
  await other.close();
  expect(page.changes.map(({ entityId }) => entityId)).toEqual(['n2']);
});
