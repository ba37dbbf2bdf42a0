import { expect, test } from 'vitest';
import { drain } from '../../outbox/drain.ts';
import { codes, fakeClock, keysOf, open, serverLog, useOutboxes } from '../outbox-harness.ts';
import { edit, expectAllEqual, openConflicts, resources, till as settings } from './pos-tills.ts';
import { wireTap } from './support.ts';

useOutboxes();

test('scenarios 3 and 5: 1,050 requests of 24 h offline drain in order while another till edits', async () => {
  const hour = 3_600_000;
  const office = open('office', settings);
  for (let i = 0; i < 20; i += 1) edit(office, 'Item', `shared-${i}`, { price: i });
  await office.sync();

  const device = fakeClock(Date.now() - 25 * hour);
  const { fetch, pushes } = wireTap();
  const till = open('till', { ...settings, ...device, fetch });
  await till.sync();
  const keys: string[] = [];
  for (let i = 0; i < 350; i += 1) {
    const id = i < 20 ? `shared-${i}` : `own-${i}`;
    for (const step of ['first', 'second', 'last']) {
      keys.push(edit(till, 'Item', id, { price: i, step }));
      device.pass(Math.floor((24 * hour) / 1_050));
    }
  }
  // Ten of the shared were changed before the till is back, the others may be while it drains.
  for (let i = 0; i < 10; i += 1) edit(office, 'Item', `shared-${i}`, { price: -1 - i });
  await office.sync();
  const draining = drain(till, device);
  for (let i = 10; i < 40; i += 1) {
    edit(office, 'Item', i < 20 ? `shared-${i}` : `office-${i}`, { price: -1 - i });
    await office.sync();
  }
  await draining;

  expect(till.pending()).toEqual([]);
  expect(pushes.map(({ body }) => body.events.length)).toEqual(Array(105).fill(10));
  const ofTill = new Set(keys);
  expect(keysOf(await serverLog()).filter((key) => ofTill.has(key))).toEqual(keys);

  const conflicts = await openConflicts();
  const refused = [...till.failed(), ...office.failed()];
  expect(new Set(codes(refused))).toEqual(new Set(['CONFLICT']));
  expect(refused.map(({ event }) => event.identityKey).sort()).toEqual(
    conflicts.map(({ identityKey }) => identityKey).sort(),
  );
  for (let i = 0; i < 10; i += 1) {
    // The till's second and third edit were made on its first, so they share its fate.
    const ofOne = conflicts.filter(({ entityId }) => entityId === `Item/shared-${i}`);
    expect(ofOne.map(({ identityKey }) => identityKey)).toEqual(keys.slice(3 * i, 3 * i + 3));
    expect(ofOne[2]).toMatchObject({
      incoming: { data: { price: i, step: 'last' }, deviceId: 'till' },
      current: { data: { price: -1 - i }, origin: { deviceId: 'office' } },
    });
  }
  await expectAllEqual(till, office);
  for (let i = 20; i < 350; i += 1) {
    expect(resources(office)[`Item/own-${i}`]).toMatchObject({ price: i, step: 'last' });
  }
});
