import { expect, test } from 'vitest';
import { backoffMs } from '../../outbox/flush.ts';
import { drain } from '../../outbox/drain.ts';
import { UnavailableError } from '../../outbox/request.ts';
import {
  fakeClock,
  keysOf,
  open,
  openBehindProxy,
  serverLog,
  useOutboxes,
} from '../outbox-harness.ts';
import {
  edit,
  expectAllEqual,
  openConflicts,
  remove,
  resources,
  till as settings,
} from './pos-tills.ts';
import { mustFailed, wireTap } from './support.ts';

// The scenarios are those of "Manual Testing Scenarios" in the document "Sync & Conflict Engine".
useOutboxes();

const hour = 3_600_000;

test('scenario 1: what a till did offline is on the server and on the others once it is online', async () => {
  const [till, network] = await openBehindProxy('till', settings);
  const office = open('office', settings);
  edit(office, 'Item', 'tea', { price: 2 });
  edit(office, 'Item', 'old', { price: 1 });
  await office.sync();
  await till.sync();
  network.refuse();
  edit(till, 'Item', 'tea', { price: 3 });
  edit(till, 'Item', 'cake', { price: 4 });
  remove(till, 'Item', 'old');
  await expect(till.sync()).rejects.toThrow(UnavailableError);
  network.accept();
  await till.sync();
  await expectAllEqual(till, office);
  expect(resources(office)).toEqual({
    'Item/tea': { resourceType: 'Item', resourceId: 'tea', price: 3 },
    'Item/cake': { resourceType: 'Item', resourceId: 'cake', price: 4 },
  });
});

test('scenario 1: while nothing answers, waits double from 1 s to 5 minutes', async () => {
  const later = fakeClock();
  const [till, network] = await openBehindProxy('till', { ...settings, ...later });
  edit(till, 'Item', 'tea', { price: 2 });
  network.refuse();
  const waits: number[] = [];
  const sleep = async (milliseconds: number) => {
    waits.push(milliseconds / 1_000);
    if (waits.length === 11) network.accept();
  };
  await drain(till, { ...later, sleep });
  expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
  expect(backoffMs(3, 0, () => 1)).toBeGreaterThan(4_000);
  expect(keysOf(await serverLog())).toHaveLength(1);
});

test('scenario 2: a conflict is listed with both sides until a person merges them', async () => {
  const { till, office } = await bothEdit('Item', { price: 3, stock: 5 }, { price: 2, stock: 9 });
  const { event, lastError } = mustFailed(till);
  expect(lastError).toMatchObject({ code: 'CONFLICT', differingFields: ['price', 'stock'] });
  const [conflict, ...more] = await openConflicts();
  expect(more).toEqual([]);
  expect(conflict).toMatchObject({
    identityKey: event.identityKey,
    entityId: 'Item/shared',
    incoming: { data: { price: 3, stock: 5 }, deviceId: 'till' },
    current: { data: { price: 2, stock: 9 }, origin: { deviceId: 'office' } },
    differingFields: ['price', 'stock'],
    resolved: null,
  });
  const { effectiveAt } = conflict?.incoming ?? {};
  const { updatedAt } = conflict?.current ?? {};
  expect(Date.parse(`${updatedAt}`) - Date.parse(`${effectiveAt}`)).toBeGreaterThan(hour / 2);

  const merged = { ...event.payload, data: { price: 3, stock: 9 } };
  await till.resolve(event.identityKey, 'merge', merged);
  expect(await openConflicts()).toEqual([]);
  expect(till.failed()).toEqual([]);
  await expectAllEqual(till, office);
  expect(resources(office)['Item/shared']).toMatchObject({ price: 3, stock: 9 });
});

test('scenario 2: a delete of what was edited meanwhile is a conflict, and can be forced', async () => {
  const [till, office] = [open('till', settings), open('office', settings)];
  edit(office, 'Item', 'tea', { price: 2 });
  await office.sync();
  await till.sync();
  remove(till, 'Item', 'tea');
  edit(office, 'Item', 'tea', { price: 3 });
  await office.sync();
  await till.sync();
  expect(resources(till)).toHaveProperty(['Item/tea'], expect.objectContaining({ price: 3 }));
  expect(await openConflicts()).toMatchObject([{ incoming: { data: null }, differingFields: [] }]);
  await till.resolve(mustFailed(till).event.identityKey, 'force');
  await expectAllEqual(till, office);
  expect(resources(office)).toEqual({});
});

test('scenario 2, hook: what two tills noted of one customer is merged, and is no conflict', async () => {
  const { till, office } = await bothEdit(
    'Customer',
    { name: 'Ann', phones: ['1', '2'], vip: true },
    { name: 'Anne', phones: ['1', '3'], city: 'Oslo' },
  );
  expect(till.failed()).toEqual([]);
  expect(await openConflicts()).toEqual([]);
  await expectAllEqual(till, office);
  expect(resources(office)['Customer/shared']).toEqual({
    resourceType: 'Customer',
    resourceId: 'shared',
    name: 'Ann',
    phones: ['1', '3', '2'],
    vip: true,
    city: 'Oslo',
  });
});

test('scenario 2, hook fails: the last write wins, and the rest of the batch is processed', async () => {
  const older = await bothEdit('Customer', { phones: 'none' }, { phones: ['3'] });
  expect(resources(older.till)).toMatchObject({
    'Customer/shared': { phones: ['3'] },
    'Item/beside': { price: 1 },
  });
  const anHourAgo = fakeClock();
  const [newer, other] = [open('newer', settings), open('other', { ...settings, ...anHourAgo })];
  for (const device of [newer, other]) await device.pull();
  edit(newer, 'Customer', 'shared', { phones: 'none' });
  edit(other, 'Customer', 'shared', { phones: ['4'] });
  anHourAgo.pass(hour);
  await other.sync();
  await newer.sync();
  expect(resources(newer)).toMatchObject({ 'Customer/shared': { phones: 'none' } });
  const devices = [older.till, older.office, newer, other];
  expect(devices.flatMap((device) => [...device.pending(), ...device.failed()])).toEqual([]);
  expect(await openConflicts()).toEqual([]);
  await expectAllEqual(...devices);
});

test('scenario 4: an app that is closed in the middle of a sync goes on where it stopped', async () => {
  const [till, network] = await openBehindProxy('till', settings);
  for (let i = 0; i < 35; i += 1) edit(till, 'Item', `i${i % 20}`, { price: i });
  const keys = till.pending().map(({ event }) => event.identityKey);
  const lost = network.whenSent('POST ').then(() => network.loseAnswerTo('POST '));
  await expect(till.flush()).rejects.toThrow(UnavailableError);
  await lost;

  const { fetch, pushes } = wireTap();
  const again = open('till', { ...settings, fetch });
  await drain(again);
  expect(pushes.map(({ body }) => body.events.length)).toEqual([10, 10, 5]);
  expect(keysOf(await serverLog())).toEqual(keys);
  await expectAllEqual(again);
});

/** The till edits offline, an hour later the office does; the office is the first to sync. */
async function bothEdit(type: string, byTill: object, byOffice: object) {
  const anHourAgo = fakeClock();
  const [till, office] = [open('till', { ...settings, ...anHourAgo }), open('office', settings)];
  edit(office, type, 'shared', { name: 'first' });
  await office.sync();
  await till.sync();
  edit(till, type, 'shared', byTill);
  edit(till, 'Item', 'beside', { price: 1 });
  anHourAgo.pass(hour);
  edit(office, type, 'shared', byOffice);
  await office.sync();
  await till.sync();
  return { till, office };
}
