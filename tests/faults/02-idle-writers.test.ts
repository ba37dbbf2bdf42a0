import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { put } from '../testkit/oracle/events.ts';
import { newDatabase, newService, newTenant } from './stage.ts';

/** Leaves a transaction open that has written, and so is one that snapshots have to reckon with. */
async function beginToWrite(databaseUrl: string, sql: string, values: readonly unknown[] = []) {
  const client = new pg.Client(databaseUrl);
  client.on('error', () => {});
  onTestFinished(() => client.end());
  await client.connect();
  await client.query('BEGIN');
  await client.query(sql, [...values]);
  return async () => {
    const { rows } = await client.query<{ xid: string | null }>(
      'SELECT pg_current_xact_id_if_assigned()::text AS xid',
    );
    return rows[0]?.xid;
  };
}

test('fault 2: idle write transactions in another tenant and another database stall no pull', async () => {
  const databaseUrl = await newDatabase();
  const services = [await newService(databaseUrl), await newService(databaseUrl)] as const;
  const other = newTenant(databaseUrl);
  const theirs = other.device('theirs', services[0]);
  await theirs.push([put('n1')]);
  const idle = [
    await beginToWrite(
      databaseUrl,
      `WITH moved AS (UPDATE tenants SET head = head + 1 WHERE id = $1 RETURNING id)
       UPDATE records SET version = version + 1 WHERE tenant_id = (SELECT id FROM moved)`,
      [other.id],
    ),
    await beginToWrite(await newDatabase(), "INSERT INTO tenants (id) VALUES ('elsewhere')"),
  ];

  const tenant = newTenant(databaseUrl);
  const writers = services.map((service, at) => tenant.device(`writer ${at}`, service));
  const readers = services.map((service) => tenant.reader(service));
  const puller = tenant.device('puller', services[1]);
  for (let version = 1; version <= 20; version += 1) {
    const writer = writers[version % 2];
    expect(await writer?.push([put(`n${version % 7}`, { title: `${version}` })])).toMatchObject({
      outcome: 'ok',
    });
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
