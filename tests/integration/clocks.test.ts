import { afterAll, beforeAll, expect, test } from 'vitest';
import { patchNote, putNote, removeNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());

const minute = 60_000;
const year = 365 * 24 * 60 * minute;
/** What a client's clock shows that is off by `offset` milliseconds. */
const clock = (offset: number) => new Date(Date.now() + offset).toISOString();
const earlier = (time: string, milliseconds: number) =>
  new Date(Date.parse(time) - milliseconds).toISOString();

async function effectiveAtOf(tenant: Tenant, entityId = 'n1') {
  return (await tenant.record(entityId))?.origin.effectiveAt;
}

test('devices with wrong clocks are ordered by when things really happened', async () => {
  const tenant = await createTenant(service);
  const [fast, slow] = [clock(year), clock(-year)];
  const older = putNote('n1', { title: 'older' }, { occurredAt: earlier(fast, 20 * minute) });
  const newer = putNote('n1', { title: 'newer' }, { occurredAt: earlier(slow, 10 * minute) });
  await tenant.push([newer], { sentAt: slow }, 'slow');
  expect(await tenant.pushStatuses([older], { sentAt: fast }, 'fast')).toEqual(['superseded']);
  expect((await tenant.record('n1'))?.data).toMatchObject({ title: 'newer' });
});

test('a retry does not move the time at which an event counts', async () => {
  const tenant = await createTenant(service);
  const sentAt = clock(0);
  const event = putNote('n1', { title: 'A' }, { occurredAt: earlier(sentAt, 10 * minute) });
  await tenant.push([event], { sentAt });
  const first = await effectiveAtOf(tenant);
  for (const offset of [minute, -minute, -9 * minute, year]) {
    expect(await tenant.pushStatuses([event], { sentAt: clock(offset) })).toEqual([
      'duplicate of applied',
    ]);
  }
  expect(await effectiveAtOf(tenant)).toBe(first);
  const between = putNote('n1', { title: 'B' }, { occurredAt: earlier(sentAt, 9 * minute) });
  expect(await tenant.pushStatuses([between], { sentAt })).toEqual(['applied']);
});

test('an event that failed counts from when it was accepted', async () => {
  const tenant = await createTenant(service);
  const edit = patchNote('n1', { title: 'B' });
  expect(await tenant.pushStatuses([edit])).toEqual(['NOT_FOUND']);
  await tenant.push([putNote('n1', { title: 'A' })]);
  const { receivedAt } = await tenant.push([edit]);
  expect((await tenant.record('n1'))?.data).toMatchObject({ title: 'B' });
  expect(await effectiveAtOf(tenant)).toBe(receivedAt);
});

test('each event of a batch is moved by the same distance, counted from its own receipt', async () => {
  const tenant = await createTenant(service);
  const sentAt = clock(year);
  const batch = [1, 2, 3].map((at) =>
    putNote(`n${at}`, {}, { occurredAt: earlier(sentAt, at * minute) }),
  );
  await tenant.push(batch, { sentAt });
  const log = await tenant.log();
  expect(log.map(({ receivedAt, effectiveAt }) => receivedAt - effectiveAt)).toEqual(
    [1, 2, 3].map((at) => at * minute * 1000),
  );
});

test('each event of a batch is received after the one before it', async () => {
  const tenant = await createTenant(service);
  await tenant.push([
    putNote('n1'),
    patchNote('missing', { title: 'A' }),
    putNote('n1'),
    putNote('n2'),
  ]);
  const received = (await tenant.log()).map(({ receivedAt }) => receivedAt);
  const [first = 0] = received;
  expect(received).toEqual([first, first + 1, first + 2]);
});

test('events of one batch without a time of their own keep their order, whatever their keys', async () => {
  const tenant = await createTenant(service);
  const [first, second] = [
    putNote('n1', { title: 'first' }, { identityKey: 'z' }),
    putNote('n1', { title: 'second' }, { identityKey: 'a' }),
  ];
  expect(await tenant.pushStatuses([first, second])).toEqual(['applied', 'applied']);
  expect((await tenant.record('n1'))?.data).toMatchObject({ title: 'second' });
  expect(
    await tenant.pushStatuses([removeNote('n1', { identityKey: 'zz' }), putNote('n1')]),
  ).toEqual(['applied', 'applied']);
  expect(await tenant.record('n1')).toMatchObject({ deleted: false });
});

test('batches that follow each other keep their order, however many events each has', async () => {
  const tenant = await createTenant(service);
  for (const round of [1, 2, 3]) {
    const many = Array.from({ length: 500 }, (_, at) => putNote('n1', { title: `${round}/${at}` }));
    expect((await tenant.push(many.toReversed())).failed).toEqual([]);
    expect((await tenant.record('n1'))?.data).toMatchObject({ title: `${round}/0` });
  }
  const received = (await tenant.log()).map(({ receivedAt }) => receivedAt);
  expect(received).toEqual(received.toSorted((left, right) => left - right));
  expect(new Set(received).size).toBe(1500);
});

test('createdAt and updatedAt are times of the server, whatever the client says', async () => {
  const tenant = await createTenant(service);
  const created = await tenant.push([putNote('n1', {}, { occurredAt: '1999-01-01T00:00:00Z' })]);
  const updated = await tenant.push([patchNote('n1', { title: 'A' }, { occurredAt: clock(year) })]);
  expect(await tenant.record('n1')).toMatchObject({
    createdAt: created.receivedAt,
    updatedAt: updated.receivedAt,
  });
});
