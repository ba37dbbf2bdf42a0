import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { tenantTables } from '../../src/postgres/tenants/tenant-tables.ts';
import { createTenantRemoval } from '../../src/postgres/tenants/tenant-removal.ts';
import { createPool, type SchemaPool } from '../../src/postgres/client/pool.ts';
import { expectNothingLost } from '../testkit/checker/check.ts';
import { putNote, removeNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { runNpmScript } from '../testkit/processes/npm-script.ts';

let service: TestApp;
let tenant: Tenant;
let neighbour: Tenant;
/** The first number of each tenant: its rows are found by it once the tenant is gone. */
const numbers = new Map<string, number>();
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());
beforeEach(async () => {
  tenant = await createFullTenant();
  neighbour = await createFullTenant();
});

/** A tenant with a row in every table. */
async function createFullTenant(): Promise<Tenant> {
  const full = await createTenant(service);
  await full.push([
    putNote('n1'),
    putNote('n2'),
    removeNote('n2'),
    putNote('n1', { title: 'B' }, { baseVersion: 0 }),
  ]);
  for (const [into, values] of [
    [
      'effects (tenant_no, entity_type, entity_id, version, record_before, record_after)',
      `'note', 'n1', 1, 0, 1`,
    ],
    ['resends (tenant_no, version, count, last_at)', '1, 1, now()'],
    [
      `purged_records (tenant_no, entity_type, entity_id, version, origin_key, origin_kind, origin_at,
         created_at, updated_at)`,
      `'note', 'n0', 1, 'k', 'note.put', now(), now(), now()`,
    ],
  ]) {
    await service.sql(`INSERT INTO ${into} SELECT no, ${values} FROM tenants WHERE id = $1`, [
      full.id,
    ]);
  }
  numbers.set(full.id, await numberOf(full));
  return full;
}

const removeTenant = (args: readonly string[], input?: string, env: NodeJS.ProcessEnv = {}) =>
  runNpmScript('remove-tenant', args, { DATABASE_URL: service.database.url, ...env }, input);

const openPool = () =>
  createPool({ connectionString: service.database.url, max: 1, onIdleError: () => {} });

async function numberOf({ id }: Tenant): Promise<number> {
  const [row] = await service.sql<{ no: number }>('SELECT no FROM tenants WHERE id = $1', [id]);
  return row?.no ?? 0;
}

/** Rows of a tenant in each table that has any, under its first number and under that of today. */
async function holdings({ id }: Tenant): Promise<Record<string, number>> {
  const tables = await service.sql<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.columns
      WHERE table_schema = 'landfall' AND column_name = 'tenant_no' ORDER BY 1`,
  );
  expect(tables.map(({ name }) => name)).toEqual(tenantTables.toSorted());
  const counts: Record<string, number> = {};
  for (const { name } of [...tables, { name: 'tenants' }]) {
    const condition =
      name === 'tenants'
        ? 'id = $1 OR no = $2'
        : 'tenant_no IN (SELECT no FROM tenants WHERE id = $1) OR tenant_no = $2';
    const found = await service.sql(`SELECT FROM ${name} WHERE ${condition}`, [
      id,
      numbers.get(id),
    ]);
    if (found.length > 0) counts[name] = found.length;
  }
  return counts;
}

const everything = {
  ...{ records: 2, purged_records: 1, effects: 1, conflicts: 1, events: 4, resends: 1 },
  tenants: 1,
};

test('a tenant whose name is typed goes with all that it holds, and no other does', async () => {
  expect(await holdings(tenant)).toEqual(everything);
  const { code, stdout, stderr } = await removeTenant([tenant.id], `${tenant.id}\n`);
  expect([code, stderr]).toEqual([0, '']);
  const rows = '2 records, 1 purged records, 1 effects, 1 conflicts, 4 events, 1 resends';
  expect(stdout).toContain(`the tenant "${tenant.id}" holds ${rows}\n`);
  expect(stdout).toContain(`removed ${rows}, and the tenant "${tenant.id}" itself\n`);
  expect(await holdings(tenant)).toEqual({});
  expect(await holdings(neighbour)).toEqual(everything);
});

test('the checkpoints of a removed tenant have expired, and it begins anew at version 1', async () => {
  const { checkpoint } = await tenant.pull();
  await removeTenant([tenant.id], `${tenant.id}\n`);
  expect((await tenant.push([putNote('n1', { title: 'new' })])).results).toMatchObject([
    { status: 'applied', version: 1 },
  ]);
  for (const since of [checkpoint, tenant.start]) {
    const url = `/api/sync/changes?since=${since}`;
    const { status } = await service.request({ url, sender: tenant.sender() });
    expect(status).toBe(410);
  }
  expect((await tenant.pull()).changes).toMatchObject([{ entityId: 'n1', version: 1 }]);
});

test.each([
  ['another name', (id: string) => `${id.slice(1)}\n`],
  ['the name after something else', (id: string) => `no\n${id}\n`],
  ['the name with a blank', (id: string) => ` ${id}\n`],
  ['no answer at all', () => ''],
])('on %s nothing is removed', async (_answer, inputOf) => {
  const { code, stderr } = await removeTenant([tenant.id], inputOf(tenant.id));
  expect(code).toBe(1);
  expect(stderr).toContain('nothing was removed');
  expect(await holdings(tenant)).toEqual(everything);
  expect((await tenant.pull({ since: tenant.start })).changes).toHaveLength(2);
});

test('a production that has only its database set can remove a tenant', async () => {
  const env = { NODE_ENV: 'production', JWT_SECRET: '', JWKS_URL: '' };
  const { code, stderr } = await removeTenant([tenant.id], `${tenant.id}\n`, env);
  expect([code, stderr]).toEqual([0, '']);
  expect(await holdings(tenant)).toEqual({});
});

test('a tenant that is not there is said not to be, before anything is asked', async () => {
  const { code, stdout, stderr } = await removeTenant(['nobody'], 'nobody\n');
  expect({ code, stdout, stderr }).toEqual({
    ...{ code: 1, stdout: '', stderr: 'there is no tenant "nobody"\n' },
  });
});

test('a removal that fails half-way leaves no checkpoint good, and can be run again', async () => {
  const { checkpoint } = await tenant.pull();
  await service.sql(`CREATE RULE keep AS ON DELETE TO events DO INSTEAD SELECT 1 / 0`);
  const failed = await removeTenant([tenant.id], `${tenant.id}\n`);
  await service.sql('DROP RULE keep ON events');
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('division by zero') });
  const url = `/api/sync/changes?since=${checkpoint}`;
  expect((await service.request({ url, sender: tenant.sender() })).status).toBe(410);
  expect(await holdings(tenant)).toEqual({ events: 4, resends: 1, tenants: 1 });
  expect(await removeTenant([tenant.id], `${tenant.id}\n`)).toMatchObject({ code: 0 });
  expect(await holdings(tenant)).toEqual({});
});

test('a tenant stays until the last of its rows has gone, however much is pushed meanwhile', async () => {
  const pool = openPool();
  const left: Awaited<ReturnType<typeof holdings>>[] = [];
  /** Runs ahead of the transaction in which the tenant itself may go. */
  const beforeLast = async () => {
    left.push(await holdings(tenant));
    if (left.length <= 2)
      await tenant.push(Array.from({ length: 25 }, (_, at) => putNote(`n${at}`)));
  };
  const watched: SchemaPool = Object.create(pool, {
    query: { value: pool.query.bind(pool) },
    connect: { value: () => beforeLast().then(() => pool.connect()) },
  });
  const removed = await createTenantRemoval(watched).remove(tenant.id, 10);
  await pool.end();
  expect(left.length).toBeGreaterThan(2);
  for (const rows of left) expect(rows.tenants).toBe(1);
  expect(removed?.get('events')).toBe(4 + 2 * 25);
  expect(await holdings(tenant)).toEqual({});
  expect(await holdings(neighbour)).toEqual(everything);
});

test('a tenant whose devices go on pushing is removed all the same, and is whole afterwards', async () => {
  const pool = openPool();
  const work = { done: false };
  const pushers = [1, 2, 3].map(async () => {
    while (!work.done) await tenant.push([putNote('n1'), putNote('n2'), removeNote('n1')]);
  });
  const removal = createTenantRemoval(pool);
  for (let round = 0; round < 5; round += 1) {
    await tenant.push([putNote('n3')]);
    const removed = await removal.remove(tenant.id, 10);
    expect(removed?.get('events')).toBeGreaterThan(0);
  }
  work.done = true;
  await Promise.all(pushers);
  await pool.end();
  const { checkpoint: start } = await tenant.pull();
  await tenant.push([putNote('n4')]);
  await expectNothingLost({ databaseUrl: service.database.url, tenant: tenant.id });
  expect((await tenant.pull({ since: start })).changes).toMatchObject([{ entityId: 'n4' }]);
  expect(await holdings(neighbour)).toEqual(everything);
});
