import { afterAll, beforeAll, expect, test } from 'vitest';
import { patch, put, remove } from '../testkit/oracle/events.ts';
import { createTenant, type Tenant } from '../testkit/oracle/tenant.ts';
import { startApp, type TestApp } from '../testkit/app.ts';

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

test('without sentAt the time that the client gave counts as it is', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1', {}, { occurredAt: '2026-01-01T01:00:00.123+01:00' })]);
  expect(await effectiveAtOf(tenant)).toBe('2026-01-01T00:00:00.123Z');
});

test.each([
  ['a year fast', year],
  ['a minute fast', minute],
  ['right', 0],
  ['a minute slow', -minute],
  ['a year slow', -year],
])(
  'with sentAt, what a clock that is %s says is moved onto the server clock',
  async (_how, offset) => {
    const tenant = await createTenant(service);
    const sentAt = clock(offset);
    const event = put('n1', {}, { occurredAt: earlier(sentAt, 10 * minute) });
    const { receivedAt, results } = await tenant.push([event], { sentAt });
    expect(await effectiveAtOf(tenant)).toBe(earlier(receivedAt, 10 * minute));
    expect(results?.[0]).not.toHaveProperty('clockAdjusted');
  },
);

test('devices with wrong clocks are ordered by when things really happened', async () => {
  const tenant = await createTenant(service);
  const [fast, slow] = [clock(year), clock(-year)];
  const older = put('n1', { title: 'older' }, { occurredAt: earlier(fast, 20 * minute) });
  const newer = put('n1', { title: 'newer' }, { occurredAt: earlier(slow, 10 * minute) });
  await tenant.push([newer], { sentAt: slow }, 'slow');
  expect(await tenant.said([older], { sentAt: fast }, 'fast')).toEqual(['superseded']);
  expect((await tenant.record('n1'))?.data).toMatchObject({ title: 'newer' });
});

test('what happened as the request left happened when it was received', async () => {
  const tenant = await createTenant(service);
  const sentAt = clock(year);
  const { receivedAt, results } = await tenant.push([put('n1', {}, { occurredAt: sentAt })], {
    sentAt,
  });
  expect(await effectiveAtOf(tenant)).toBe(receivedAt);
  expect(results?.[0]).not.toHaveProperty('clockAdjusted');
});

test('without occurredAt the receipt counts, and no clock was adjusted', async () => {
  const tenant = await createTenant(service);
  const { receivedAt, results } = await tenant.push([put('n1')], { sentAt: clock(-year) });
  expect(await effectiveAtOf(tenant)).toBe(receivedAt);
  expect(results?.[0]).not.toHaveProperty('clockAdjusted');
});

test('what happened after its request left is taken as of its receipt, and says so', async () => {
  const tenant = await createTenant(service);
  const sentAt = clock(-year);
  const event = put('n1', {}, { occurredAt: earlier(sentAt, -1) });
  const { receivedAt, results } = await tenant.push([event], { sentAt });
  expect(await effectiveAtOf(tenant)).toBe(receivedAt);
  expect(results).toMatchObject([{ status: 'applied', clockAdjusted: true }]);
});

test('without sentAt, what happens in the future is taken as of its receipt, and says so', async () => {
  const tenant = await createTenant(service);
  const event = put('n1', {}, { occurredAt: '2199-12-31T23:59:59.999Z' });
  const { receivedAt, results } = await tenant.push([event]);
  expect(await effectiveAtOf(tenant)).toBe(receivedAt);
  expect(results).toMatchObject([{ status: 'applied', clockAdjusted: true }]);
});

test('the future never wins over what comes after it', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1', { title: 'future' }, { occurredAt: clock(year) })]);
  expect(await tenant.said([patch('n1', { title: 'now' })])).toEqual(['applied']);
  expect(await tenant.said([remove('n1')])).toEqual(['applied']);
});

test('a clock that goes backwards between two sends loses nothing', async () => {
  const tenant = await createTenant(service);
  const first = put('n1', { title: 'A' }, { occurredAt: clock(0) });
  await tenant.push([first], { sentAt: clock(0) });
  const second = put('n1', { title: 'B' }, { occurredAt: clock(-year) });
  expect(await tenant.said([second], { sentAt: clock(-year) })).toEqual(['applied']);
  expect((await tenant.record('n1'))?.data).toMatchObject({ title: 'B' });
});

test('a retry does not move the time at which an event counts', async () => {
  const tenant = await createTenant(service);
  const sentAt = clock(0);
  const event = put('n1', { title: 'A' }, { occurredAt: earlier(sentAt, 10 * minute) });
  await tenant.push([event], { sentAt });
  const first = await effectiveAtOf(tenant);
  for (const offset of [minute, -minute, -9 * minute, year]) {
    expect(await tenant.said([event], { sentAt: clock(offset) })).toEqual(['duplicate of applied']);
  }
  expect(await effectiveAtOf(tenant)).toBe(first);
  const between = put('n1', { title: 'B' }, { occurredAt: earlier(sentAt, 9 * minute) });
  expect(await tenant.said([between], { sentAt })).toEqual(['applied']);
});

test('an event that failed counts from when it was accepted', async () => {
  const tenant = await createTenant(service);
  const edit = patch('n1', { title: 'B' });
  expect(await tenant.said([edit])).toEqual(['NOT_FOUND']);
  await tenant.push([put('n1', { title: 'A' })]);
  const { receivedAt } = await tenant.push([edit]);
  expect((await tenant.record('n1'))?.data).toMatchObject({ title: 'B' });
  expect(await effectiveAtOf(tenant)).toBe(receivedAt);
});

test('each event of a batch is moved by the same distance, counted from its own receipt', async () => {
  const tenant = await createTenant(service);
  const sentAt = clock(year);
  const batch = [1, 2, 3].map((at) =>
    put(`n${at}`, {}, { occurredAt: earlier(sentAt, at * minute) }),
  );
  await tenant.push(batch, { sentAt });
  const log = await tenant.log();
  expect(log.map(({ receivedAt, effectiveAt }) => receivedAt - effectiveAt)).toEqual(
    [1, 2, 3].map((at) => at * minute * 1000),
  );
});

test('each event of a batch is received after the one before it', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put('n1'), patch('missing', { title: 'A' }), put('n1'), put('n2')]);
  const received = (await tenant.log()).map(({ receivedAt }) => receivedAt);
  const [first = 0] = received;
  expect(received).toEqual([first, first + 1, first + 2]);
});

test('events of one batch without a time of their own keep their order, whatever their keys', async () => {
  const tenant = await createTenant(service);
  const [first, second] = [
    put('n1', { title: 'first' }, { identityKey: 'z' }),
    put('n1', { title: 'second' }, { identityKey: 'a' }),
  ];
  expect(await tenant.said([first, second])).toEqual(['applied', 'applied']);
  expect((await tenant.record('n1'))?.data).toMatchObject({ title: 'second' });
  expect(await tenant.said([remove('n1', { identityKey: 'zz' }), put('n1')])).toEqual([
    'applied',
    'applied',
  ]);
  expect(await tenant.record('n1')).toMatchObject({ deleted: false });
});

test('batches that follow each other keep their order, however many events each has', async () => {
  const tenant = await createTenant(service);
  for (const round of [1, 2, 3]) {
    const many = Array.from({ length: 500 }, (_, at) => put('n1', { title: `${round}/${at}` }));
    expect((await tenant.push(many.toReversed())).failed).toEqual([]);
    expect((await tenant.record('n1'))?.data).toMatchObject({ title: `${round}/0` });
  }
  const received = (await tenant.log()).map(({ receivedAt }) => receivedAt);
  expect(received).toEqual(received.toSorted((left, right) => left - right));
  expect(new Set(received).size).toBe(1500);
});

test('createdAt and updatedAt are times of the server, whatever the client says', async () => {
  const tenant = await createTenant(service);
  const created = await tenant.push([put('n1', {}, { occurredAt: '1999-01-01T00:00:00Z' })]);
  const updated = await tenant.push([patch('n1', { title: 'A' }, { occurredAt: clock(year) })]);
  expect(await tenant.record('n1')).toMatchObject({
    createdAt: created.receivedAt,
    updatedAt: updated.receivedAt,
  });
});
