import { expect, test } from 'vitest';
import { codes, fakeClock, keysOf, open, serverLog, useOutboxes } from '../../outbox-harness.ts';
import { recordRequests } from '../support.ts';
import { edit, expectAllEqual, openConflicts, resources, tillSettings } from './tills.ts';

useOutboxes();

test('scenarios 3 and 5: 1,050 requests of 24 h offline drain in order while another till edits', async () => {
  const hour = 3_600_000;
  const office = open('office', tillSettings);
  for (let i = 0; i < 20; i += 1) edit(office, 'Item', `shared-${i}`, { price: i });
  await office.sync();

  const device = fakeClock(Date.now() - 25 * hour);
  const { fetch, pushes } = recordRequests();
  const till = open('till', { ...tillSettings, ...device, fetch });
  await till.sync();
  const keys: string[] = [];
  for (let i = 0; i < 350; i += 1) {
    const id = i < 20 ? `shared-${i}` : `own-${i}`;
    for (const step of ['first', 'second', 'last']) {
      keys.push(edit(till, 'Item', id, { price: i, step }));
      device.pass(Math.floor((24 * hour) / 1_050));
    }
  }
  // Ten of the shared items change before the till is back. The others change while it drains.
  for (let i = 0; i < 10; i += 1) edit(office, 'Item', `shared-${i}`, { price: -1 - i });
  await office.sync();
  const draining = till.drain();
  for (let i = 10; i < 40; i += 1) {
    edit(office, 'Item', i < 20 ? `shared-${i}` : `office-${i}`, { price: -1 - i });
    await office.sync();
  }
  await draining;

  expect(till.pending()).toEqual([]);
  expect(pushes.map(({ body }) => body.events.length)).toEqual(Array(105).fill(10));
  const tillKeys = new Set(keys);
  expect(keysOf(await serverLog()).filter((key) => tillKeys.has(key))).toEqual(keys);

  const conflicts = await openConflicts();
  const refused = [...till.failed(), ...office.failed()];
  expect(new Set(codes(refused))).toEqual(new Set(['CONFLICT']));
  expect(refused.map(({ event }) => event.identityKey).sort()).toEqual(
    conflicts.map(({ identityKey }) => identityKey).sort(),
  );
  for (let i = 0; i < 10; i += 1) {
    // The till's second and third edit were made on its first, so they are in conflict too.
    const itemConflicts = conflicts.filter(({ entityId }) => entityId === `Item/shared-${i}`);
    expect(itemConflicts.map(({ identityKey }) => identityKey)).toEqual(
      keys.slice(3 * i, 3 * i + 3),
    );
    expect(itemConflicts[2]).toMatchObject({
      incoming: { data: { price: i, step: 'last' }, deviceId: 'till' },
      current: { data: { price: -1 - i }, origin: { deviceId: 'office' } },
    });
  }
  await expectAllEqual(till, office);
  for (let i = 20; i < 350; i += 1) {
    expect(resources(office)[`Item/own-${i}`]).toMatchObject({ price: i, step: 'last' });
  }
});
