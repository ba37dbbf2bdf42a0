import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { patchNote, putNote } from '../testkit/events/sent-events.ts';
import { withClient } from '../testkit/postgres/client.ts';
import { isCommitOfPush } from './scenarios.ts';
import { newDatabase, newProxy, newService, newTenant } from './fixtures.ts';

const runSql = (databaseUrl: string, sql: string) =>
  withClient(databaseUrl, (client) => client.query(sql));

test.each([
  [
    'at its own statement',
    `ALTER TABLE events ADD CONSTRAINT poison CHECK (entity_id <> 'poison')`,
    `ALTER TABLE events DROP CONSTRAINT poison`,
  ],
  [
    'at COMMIT',
    `CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE check_violation; END $$;
     CREATE CONSTRAINT TRIGGER poison AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW WHEN (NEW.entity_id = 'poison') EXECUTE FUNCTION poison()`,
    `DROP TRIGGER poison ON events`,
  ],
])(
  'fault 10: only the batch fails that causes an SQL error %s, and the other batches of its group are stored',
  async (_where, poison, cure) => {
    const databaseUrl = await newDatabase();
    const network = await newProxy(databaseUrl);
    const service = await newService(network.url, { COMMIT_LANES: '1' });
    const tenants = ['A', 'B', 'C', 'D'].map(() => newTenant(databaseUrl));
    const devices = tenants.map((tenant, at) =>
      ['one', 'two', 'three'].map((name) => tenant.device(`${name} of ${at}`, service)),
    );
    for (const [device] of devices) await device?.push([putNote('n0')]);
    await runSql(databaseUrl, poison);

    // While the only commit lane is busy, all further batches wait. They then form one group.
    const heldCommit = network.holdRequest(isCommitOfPush);
    const firstPush = newTenant(databaseUrl)
      .device('first', service)
      .push([putNote('n1')]);
    const commit = await heldCommit;
    const pushes = devices.flatMap((tenantDevices, tenant) =>
      tenantDevices.map((device, at) => {
        const last = tenant === 1 && at === 1 ? 'poison' : `own-${at}`;
        return device.push([patchNote('n0', { title: `${at}` }), putNote(`n${at}`), putNote(last)]);
      }),
    );
    await sleep(1_000);
    commit.release();

    expect(await firstPush).toMatchObject({ outcome: 'ok' });
    const statuses = (await Promise.all(pushes)).map(({ status }) => status);
    expect(statuses).toEqual([200, 200, 200, 200, 500, 200, 200, 200, 200, 200, 200, 200]);
    const isolated = service.logLines.filter(({ event }) => event === 'group.isolated');
    expect(isolated).toMatchObject([{ batches: 12 }]);
    const { rows } = await runSql(databaseUrl, "SELECT FROM records WHERE entity_id = 'poison'");
    expect(rows).toEqual([]);

    await runSql(databaseUrl, cure);
    for (const [at, tenant] of tenants.entries()) {
      for (const device of devices[at] ?? []) {
        expect(await device.drain()).toEqual([]);
        await device.catchUp(2);
      }
      await tenant.expectNothingLost();
    }
  },
);
