import { expect, test } from 'vitest';
import { putNote } from '../testkit/events/sent-events.ts';
import { insertTenantsText } from '../testkit/postgres/tenant-history.ts';
import { newClient, newDatabase, newService, newTenant } from './fixtures.ts';

/** Leaves a transaction open that has written, so that it holds back the horizon of snapshots. @returns its id */
async function leaveTransactionOpen(
  databaseUrl: string,
  sql: string,
  values: readonly unknown[] = [],
) {
  const client = await newClient(databaseUrl);
  await client.query('BEGIN');
  await client.query(sql, [...values]);
  return async () => {
    const { rows } = await client.query<{ xid: string | null }>(
      'SELECT pg_current_xact_id_if_assigned()::text AS xid',
    );
    return rows[0]?.xid;
  };
}

test('fault 2: idle write transactions of another tenant and in another database do not delay pulls', async () => {
  const databaseUrl = await newDatabase();
  const services = [await newService(databaseUrl), await newService(databaseUrl)] as const;
  const other = newTenant(databaseUrl);
  const theirs = other.device('theirs', services[0]);
  await theirs.push([putNote('n1')]);
  const idle = [
    await leaveTransactionOpen(
      databaseUrl,
      `WITH moved AS (UPDATE tenants SET head = head + 1 WHERE id = $1 RETURNING no)
       UPDATE records SET version = version + 1 WHERE tenant_no = (SELECT no FROM moved)`,
      [other.id],
    ),
    await leaveTransactionOpen(await newDatabase(), insertTenantsText("VALUES ('elsewhere')")),
  ];

  const tenant = newTenant(databaseUrl);
  const writers = services.map((service, at) => tenant.device(`writer ${at}`, service));
  const readers = services.map((service) => tenant.reader(service));
  const puller = tenant.device('puller', services[1]);
  for (let version = 1; version <= 20; version += 1) {
    const writer = writers[version % 2];
    expect(await writer?.push([putNote(`n${version % 7}`, { title: `${version}` })])).toMatchObject(
      {
        outcome: 'ok',
      },
    );
    for (const read of readers) {
      const { position, changes } = await read(100);
      expect([position, changes.map((change) => change.version)]).toEqual([version + 1, [version]]);
    }
    await puller.catchUp(3);
  }
  for (const xid of idle) expect(await xid()).toMatch(/^\d+$/);
  await tenant.expectNothingLost();
  await theirs.catchUp();
  await other.expectNothingLost();
});
