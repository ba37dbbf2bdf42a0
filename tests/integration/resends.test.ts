import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { auditOf } from '../testkit/app/audit.ts';
import { noteKinds } from '../testkit/kinds/storeroom-kinds.ts';
import { putNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: noteKinds });
});
afterAll(() => service.close());

/** As told by the history of n1, in version order, once they add up to `total`. */
async function resendsOf(tenant: Tenant, total: number) {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const history = await auditOf(tenant).history('note', 'n1');
    const events = history.events.toReversed();
    const counts = events.map(({ resends }) => resends.count);
    const sum = counts.reduce((one, other) => one + other, 0);
    if (sum >= total || Date.now() > deadline) return { counts, events };
    await sleep(20);
  }
}

test('every time that an event is sent again is counted, conflicts too, with the last time', async () => {
  const tenant = await createTenant(service);
  const [first, second] = [putNote('n1'), putNote('n1', { title: 'B' })];
  const stale = putNote('n1', {}, { baseVersion: 1 });
  await tenant.push([first, second, stale]);
  await tenant.push([first, stale]);
  await tenant.push([stale, stale]);
  const { receivedAt } = await tenant.push([stale, first]);
  const { counts, events } = await resendsOf(tenant, 6);
  expect(counts).toEqual([2, 0, 4]);
  expect(events[0]?.resends.lastAt).toBe(receivedAt);
  expect(events[1]?.resends.lastAt).toBeNull();
});

test('a count grows on what was written before, whichever process counts', async () => {
  const second = await startApp({ kinds: noteKinds, database: service.database });
  try {
    const tenant = await createTenant(service);
    const event = putNote('n1');
    await tenant.push([event]);
    await tenant.push([event]);
    expect((await resendsOf(tenant, 1)).counts).toEqual([1]);
    await Promise.all(
      [service, second].flatMap((either) =>
        Array.from({ length: 20 }, () => either.push([event], {}, tenant.sender())),
      ),
    );
    expect((await resendsOf(tenant, 41)).counts).toEqual([41]);
  } finally {
    await second.close();
  }
});

test('a push of nothing but duplicates writes nothing itself', async () => {
  const tenant = await createTenant(service);
  const event = putNote('n1');
  await tenant.push([event]);
  await service.sql(`
    CREATE FUNCTION refuse_resends() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'no resend may be written'; END $$;
    CREATE TRIGGER refuse_resends BEFORE INSERT OR UPDATE ON resends
      FOR EACH ROW EXECUTE FUNCTION refuse_resends()`);
  try {
    expect(await tenant.pushStatuses([event])).toEqual(['duplicate of applied']);
    const failed = () => service.logLines.find((line) => line.event === 'resends.not-written');
    await expect.poll(failed, { timeout: 30_000 }).toMatchObject({ level: 'warn', waiting: 1 });
  } finally {
    await service.sql('DROP FUNCTION refuse_resends CASCADE');
  }
});

test('what still waits is written when the service stops', async () => {
  const stopping = await startApp({ kinds: noteKinds, database: service.database });
  const tenant = await createTenant(service);
  const event = putNote('n1');
  await stopping.push([event], {}, tenant.sender());
  await stopping.push([event, event], {}, tenant.sender());
  await stopping.close();
  expect((await auditOf(tenant).history('note', 'n1')).events).toMatchObject([
    { resends: { count: 2 } },
  ]);
});

test('an atomic batch that is aborted counts what it repeats of the log, and nothing of itself', async () => {
  const stopping = await startApp({ kinds: noteKinds, database: service.database });
  const tenant = await createTenant(service);
  const [first, stale] = [putNote('n1'), putNote('n1', { title: 'B' }, { baseVersion: 0 })];
  await tenant.push([first, stale]);
  const fresh = putNote('n1', { title: 'B' }, { baseVersion: 0 });
  await stopping.push([stale, fresh, fresh], { atomic: true }, tenant.sender());
  // Takes the version that the aborted batch would have given to `fresh`.
  await stopping.push([putNote('n1', { title: 'C' })], {}, tenant.sender());
  await stopping.close();
  expect((await resendsOf(tenant, 1)).counts).toEqual([0, 1, 0]);
});
