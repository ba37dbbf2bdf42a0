import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { problemSchema } from '../../src/protocol/problem.ts';
import { expectNothingLost } from '../testkit/checker/check.ts';
import { documentKinds } from '../testkit/oracle/documents.ts';
import { put, remove } from '../testkit/oracle/events.ts';
import { createTenant, expectShape, type Tenant } from '../testkit/oracle/tenant.ts';
import { startApp, type TestApp } from '../testkit/app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [...bundledKinds, ...documentKinds('doc')] });
});
afterAll(() => service.close());

function pullSince(tenant: Tenant, since: string, rest = '') {
  const url = `/api/sync/changes?since=${encodeURIComponent(since)}${rest}`;
  return service.request({ url, sender: tenant.sender() });
}

/** The code of the refusal and whether it may be cached, or `good`. */
async function judged(tenant: Tenant, since: string) {
  const { status, body, headers } = await pullSince(tenant, since);
  if (status === 200) return 'good';
  const { code } = expectShape(problemSchema, body);
  return `${status} ${code} ${String(headers['cache-control'])}`;
}
const expired = '410 CHECKPOINT_EXPIRED no-store';

async function refusal(tenant: Tenant, since: string, rest?: string) {
  const { status, body } = await pullSince(tenant, since, rest);
  expectShape(problemSchema, body);
  expect([since, status, body.code]).toEqual([since, 400, 'INVALID_CHECKPOINT']);
  return JSON.stringify(body);
}

/** What a restore from a backup does that was made at `version`: the tail is gone. */
async function loseTail(tenant: Tenant, version: number) {
  const values = [tenant.id, version];
  await service.sql('DELETE FROM events WHERE tenant_id = $1 AND version > $2', values);
  await service.sql('DELETE FROM records WHERE tenant_id = $1 AND version > $2', values);
  await service.sql('UPDATE tenants SET head = $2 WHERE id = $1', values);
}

test('whatever is no checkpoint of this tenant is refused with one and the same body', async () => {
  const [mine, theirs] = [await createTenant(service), await createTenant(service)];
  await mine.push([put('n1')]);
  await theirs.push([put('n1')]);
  const { checkpoint } = await mine.pull();
  const bodies = [
    await refusal(mine, ''),
    await refusal(mine, 'garbage'),
    await refusal(mine, '0'),
    await refusal(mine, '42'),
    await refusal(mine, 'ü\u0000'),
    await refusal(mine, "' OR 1=1 --"),
    await refusal(mine, 'A'.repeat(76)),
    await refusal(mine, 'A'.repeat(5000)),
    await refusal(mine, checkpoint.slice(0, -1)),
    await refusal(mine, `${checkpoint}A`),
    await refusal(mine, `${checkpoint}=`),
    await refusal(mine, `${checkpoint}\n`),
    await refusal(mine, ` ${checkpoint}`),
    await refusal(mine, `"${checkpoint}"`),
    await refusal(mine, checkpoint.toLowerCase()),
    await refusal(mine, (await theirs.pull()).checkpoint),
    await refusal(mine, theirs.start),
    await refusal(mine, (await theirs.pull({ entityTypes: 'note' })).checkpoint),
  ];
  expect(new Set(bodies).size).toBe(1);
});

test('a checkpoint with any one bit changed is refused like garbage', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1'), put('n2'), put('n3')]);
  const { checkpoint } = await tenant.pull({ entityTypes: 'note' });
  const bytes = Buffer.from(checkpoint, 'base64url');
  const bodies = new Set([await refusal(tenant, 'garbage')]);
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const forged = Buffer.from(bytes);
    forged.writeUInt8(forged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    bodies.add(await refusal(tenant, forged.toString('base64url')));
  }
  expect(bodies.size).toBe(1);
  expect(await judged(tenant, checkpoint)).toBe('good');
});

test("another tenant's checkpoint says the same whether its position exists here or not", async () => {
  const [mine, theirs] = [await createTenant(service), await createTenant(service)];
  await theirs.push([put('n1'), put('n2'), put('n3')]);
  const { checkpoint } = await theirs.pull();
  const ahead = await refusal(mine, checkpoint);
  await mine.push([put('n1'), put('n2'), put('n3'), put('n4')]);
  expect(await refusal(mine, checkpoint)).toBe(ahead);
});

test('a filter is a set: neither order nor repetition makes another one', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1')]);
  const { checkpoint } = await tenant.pull({ entityTypes: 'note,doc' });
  for (const entityTypes of ['doc,note', 'note,doc,note']) {
    expect((await tenant.pull({ entityTypes, since: checkpoint })).checkpoint).toBe(checkpoint);
  }
});

test('a checkpoint older than the horizon of the tombstones has expired', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1'), put('n2')]);
  const old = await tenant.pull();
  await tenant.push([remove('n1')]);
  await service.sql('UPDATE tenants SET horizon = head WHERE id = $1', [tenant.id]);
  expect(await judged(tenant, old.checkpoint)).toBe(expired);
  expect(await judged(tenant, tenant.start)).toBe(expired);
  const fresh = await tenant.pull();
  expect(fresh.changes.map(({ entityId }) => entityId)).toEqual(['n2']);
  expect(await judged(tenant, fresh.checkpoint)).toBe('good');
});

test('a checkpoint at the horizon is good', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1'), remove('n1')]);
  const { checkpoint } = await tenant.pull({ since: tenant.start });
  await service.sql('UPDATE tenants SET horizon = head WHERE id = $1', [tenant.id]);
  await tenant.push([put('n2')]);
  expect((await tenant.pull({ since: checkpoint })).changes).toHaveLength(1);
});

test('a bootstrap under way expires once a tombstone that it needs may be purged', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('old'), remove('old'), put('n1'), put('n2')]);
  const { checkpoint } = await tenant.pull({ limit: 1 });
  await service.sql('UPDATE tenants SET horizon = head WHERE id = $1', [tenant.id]);
  expect(await judged(tenant, checkpoint)).toBe('good');
  await tenant.push([remove('n1')]);
  await service.sql('UPDATE tenants SET horizon = head WHERE id = $1', [tenant.id]);
  await service.sql('DELETE FROM records WHERE tenant_id = $1 AND deleted', [tenant.id]);
  expect(await judged(tenant, checkpoint)).toBe(expired);
});

test('a horizon belongs to one tenant: others keep their checkpoints', async () => {
  const [mine, theirs] = [await createTenant(service), await createTenant(service)];
  await mine.push([put('n1')]);
  await theirs.push([put('n1')]);
  await service.sql('UPDATE tenants SET horizon = head WHERE id = $1', [theirs.id]);
  expect(await judged(mine, mine.start)).toBe('good');
});

test('a checkpoint ahead of the head of a restored history has expired', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1'), put('n2'), put('n3')]);
  const { checkpoint } = await tenant.pull();
  await loseTail(tenant, 1);
  expect(await judged(tenant, checkpoint)).toBe(expired);
});

test('a checkpoint of a lost history has expired, also once the head has passed it', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1'), put('n2')]);
  const kept = await tenant.pull();
  await tenant.push([put('n3'), put('n4')]);
  const lost = await tenant.pull();
  await loseTail(tenant, 2);
  await tenant.push([put('m3'), put('m4')]);
  expect(await judged(tenant, lost.checkpoint)).toBe(expired);
  await tenant.push([put('m5')]);
  expect(await judged(tenant, lost.checkpoint)).toBe(expired);
  const { changes } = await tenant.pull({ since: kept.checkpoint });
  expect(changes.map(({ entityId }) => entityId)).toEqual(['m3', 'm4', 'm5']);
});

test('a checkpoint of a lost history has expired, also where the same events came again', async () => {
  const tenant = await createTenant(service);
  const events = [put('n1'), put('n2'), put('n3')];
  await tenant.push(events);
  const { checkpoint } = await tenant.pull();
  await loseTail(tenant, 1);
  await tenant.push(events);
  expect(await judged(tenant, checkpoint)).toBe(expired);
});

test('the checkpoint of a push of a lost history has expired', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1')]);
  await tenant.push([put('n2')]);
  const { checkpoint } = await tenant.push([put('n3')]);
  await loseTail(tenant, 1);
  await tenant.push([put('m2'), put('m3'), put('m4')]);
  expect(await judged(tenant, checkpoint)).toBe(expired);
});

test('a bootstrap that a restore interrupted has expired, so that it misses no tombstone', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1'), put('n2'), put('n3'), put('n4'), put('n5')]);
  const { checkpoint } = await tenant.pull({ limit: 1 });
  await loseTail(tenant, 3);
  // A tombstone below the head that the bootstrap began with.
  await tenant.push([remove('n1')]);
  expect(await judged(tenant, checkpoint)).toBe(expired);
  await tenant.push([put('n6'), put('n7')]);
  expect(await judged(tenant, checkpoint)).toBe(expired);
});

test('every checkpoint of another epoch has expired', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1')]);
  const pulled = await tenant.pull();
  const pushed = await tenant.push([put('n2')]);
  await service.sql('UPDATE tenants SET epoch = gen_random_uuid() WHERE id = $1', [tenant.id]);
  expect(await judged(tenant, pulled.checkpoint)).toBe(expired);
  expect(await judged(tenant, pushed.checkpoint)).toBe(expired);
  expect(await judged(tenant, tenant.start)).toBe(expired);
});

test('a client whose checkpoint has expired bootstraps and has the same records again', async () => {
  const tenant = await createTenant(service);
  const puller = tenant.device('puller');
  await tenant.push([put('n1'), put('n2')]);
  await puller.catchUp(1);
  await loseTail(tenant, 1);
  tenant.books.history.setBack(1);
  await tenant.push([put('n3')]);
  expect(await puller.page(10)).toBe('expired');
  await puller.catchUp(1);
  await expectNothingLost({ ...tenant.books, devices: [puller] });
});

test('an expired checkpoint is not answered 304', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1'), put('n2')]);
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
  await tenant.push([put('n1')]);
  const { checkpoint } = await tenant.pull();
  await tenant.push([put('n2')]);
  const other = await startApp({ database: service.database });
  const page = await other.pull({ since: checkpoint }, tenant.sender());
  await other.close();
  expect(page.changes.map(({ entityId }) => entityId)).toEqual(['n2']);
});
