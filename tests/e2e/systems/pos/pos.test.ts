import { expect, test } from 'vitest';
import { backoffMs, UnavailableError } from '../../../outbox/request.ts';
import {
  fakeClock,
  keysOf,
  open,
  openBehindProxy,
  serverLog,
  useOutboxes,
} from '../../outbox-harness.ts';
import { onlyFailedEvent, recordRequests, resolve } from '../support.ts';
import { edit, expectAllEqual, openConflicts, remove, resources, tillSettings } from './tills.ts';

// The scenarios are those of "Manual Testing Scenarios" in the document "Sync & Conflict Engine".
useOutboxes();

const hour = 3_600_000;

test('scenario 1: the offline edits of a till reach the server and the other tills once it is online', async () => {
  const [till, network] = await openBehindProxy('till', tillSettings);
  const office = open('office', tillSettings);
  edit(office, 'Item', 'tea', { price: 2 });
  edit(office, 'Item', 'old', { price: 1 });
  await office.sync();
  await till.sync();
  network.refuseConnections();
  edit(till, 'Item', 'tea', { price: 3 });
  edit(till, 'Item', 'cake', { price: 4 });
  remove(till, 'Item', 'old');
  await expect(till.sync()).rejects.toThrow(UnavailableError);
  network.acceptConnections();
  await till.sync();
  await expectAllEqual(till, office);
  expect(resources(office)).toEqual({
    'Item/tea': { resourceType: 'Item', resourceId: 'tea', price: 3 },
    'Item/cake': { resourceType: 'Item', resourceId: 'cake', price: 4 },
  });
});

test('scenario 1: without an answer, the waits double from 1 s to 5 minutes', async () => {
  const later = fakeClock();
  const waits: number[] = [];
  const sleep = async (milliseconds: number) => {
    waits.push(milliseconds / 1_000);
    if (waits.length === 11) network.acceptConnections();
  };
  const [till, network] = await openBehindProxy('till', { ...tillSettings, ...later, sleep });
  edit(till, 'Item', 'tea', { price: 2 });
  network.refuseConnections();
  await till.drain();
  expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
  expect(backoffMs(3, 0, () => 1)).toBeGreaterThan(4_000);
  expect(keysOf(await serverLog())).toHaveLength(1);
});

test('scenario 2: a conflict is listed with both sides until a person merges them', async () => {
  const { till, office } = await bothEdit('Item', { price: 3, stock: 5 }, { price: 2, stock: 9 });
  const { event, lastError } = onlyFailedEvent(till);
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
  await resolve(till, event.identityKey, 'merge', merged);
  expect(await openConflicts()).toEqual([]);
  expect(till.failed()).toEqual([]);
  await expectAllEqual(till, office);
  expect(resources(office)['Item/shared']).toMatchObject({ price: 3, stock: 9 });
});

test('scenario 2: a delete of an item that has changed meanwhile is a conflict, and can be forced', async () => {
  const [till, office] = [open('till', tillSettings), open('office', tillSettings)];
  edit(office, 'Item', 'tea', { price: 2 });
  await office.sync();
  await till.sync();
  remove(till, 'Item', 'tea');
  edit(office, 'Item', 'tea', { price: 3 });
  await office.sync();
  await till.sync();
  expect(resources(till)).toHaveProperty(['Item/tea'], expect.objectContaining({ price: 3 }));
  expect(await openConflicts()).toMatchObject([{ incoming: { data: null }, differingFields: [] }]);
  await resolve(till, onlyFailedEvent(till).event.identityKey, 'force');
  await expectAllEqual(till, office);
  expect(resources(office)).toEqual({});
});

test('scenario 2, hook: edits of two tills to one customer are merged without a conflict', async () => {
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
  const [newer, other] = [
    open('newer', tillSettings),
    open('other', { ...tillSettings, ...anHourAgo }),
  ];
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

test('scenario 4: an app that is closed in the middle of a sync continues after its start', async () => {
  const [till, network] = await openBehindProxy('till', tillSettings);
  for (let i = 0; i < 35; i += 1) edit(till, 'Item', `i${i % 20}`, { price: i });
  const keys = till.pending().map(({ event }) => event.identityKey);
  const lost = network.whenForwarded('POST ').then(() => network.loseAnswerTo('POST '));
  await expect(till.push()).rejects.toThrow(UnavailableError);
  await lost;

  const { fetch, pushes } = recordRequests();
  const again = open('till', { ...tillSettings, fetch });
  await again.drain();
  expect(pushes.map(({ body }) => body.events.length)).toEqual([10, 10, 5]);
  expect(keysOf(await serverLog())).toEqual(keys);
  await expectAllEqual(again);
});

/** The till edits offline. The office edits an hour later and syncs first. */
async function bothEdit(type: string, byTill: object, byOffice: object) {
  const anHourAgo = fakeClock();
  const [till, office] = [
    open('till', { ...tillSettings, ...anHourAgo }),
    open('office', tillSettings),
  ];
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
