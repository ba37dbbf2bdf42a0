import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { patch, put } from '../testkit/oracle/events.ts';
import { withClient } from '../testkit/template.ts';
import { isCommitOfPush } from './scenarios.ts';
import { newDatabase, newProxy, newService, newTenant } from './stage.ts';

const run = (databaseUrl: string, sql: string) =>
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
  'fault 10: of a group, the batch alone fails that makes an SQL error %s',
  async (_where, poison, cure) => {
    const databaseUrl = await newDatabase();
    const network = await newProxy(databaseUrl);
    const service = await newService(network.url, { COMMIT_LANES: '1' });
    const tenants = ['A', 'B', 'C', 'D'].map(() => newTenant(databaseUrl));
    const devices = tenants.map((tenant, at) =>
      ['one', 'two', 'three'].map((name) => tenant.device(`${name} of ${at}`, service)),
    );
    for (const [device] of devices) await device?.push([put('n0')]);
    await run(databaseUrl, poison);

    // While the only lane is taken, what comes has to wait, and goes together afterwards.
    const stopped = network.stopAt(isCommitOfPush);
    const taken = newTenant(databaseUrl)
      .device('first', service)
      .push([put('n1')]);
    const commit = await stopped;
    const pushes = devices.flatMap((ofTenant, tenant) =>
      ofTenant.map((device, at) => {
        const last = tenant === 1 && at === 1 ? 'poison' : `own-${at}`;
        return device.push([patch('n0', { title: `${at}` }), put(`n${at}`), put(last)]);
      }),
    );
    await sleep(1_000);
    commit.pass();

    expect(await taken).toMatchObject({ outcome: 'ok' });
    const statuses = (await Promise.all(pushes)).map(({ status }) => status);
    expect(statuses).toEqual([200, 200, 200, 200, 500, 200, 200, 200, 200, 200, 200, 200]);
    const isolated = service.logLines.filter(({ event }) => event === 'group.isolated');
    expect(isolated).toMatchObject([{ batches: 12 }]);
    const { rows } = await run(databaseUrl, "SELECT FROM records WHERE entity_id = 'poison'");
    expect(rows).toEqual([]);

    await run(databaseUrl, cure);
    for (const [at, tenant] of tenants.entries()) {
      for (const device of devices[at] ?? []) {
        expect(await device.drain()).toEqual([]);
        await device.catchUp(2);
      }
      await tenant.expectNothingLost();
    }
  },
);
