import { expect, test } from 'vitest';
import { UnavailableError } from '../outbox/request.ts';
import {
  codes,
  fakeClock,
  notes,
  open,
  openBehindProxy,
  patch,
  put,
  queryTenant,
  remove,
  restoreTo,
  serverLog,
  serverNotes,
  useOutboxes,
} from './outbox-harness.ts';
import type { TestDevice, TestDeviceOptions } from './test-device.ts';
import { ofTenant } from '../testkit/postgres/tenant-history.ts';

useOutboxes();

test('guarded edits are kept for a person, unsent, if a restore has replaced their record', async () => {
  const later = fakeClock();
  const { laptop, phone } = await noteAtVersion2(later);
  laptop.enqueue(patch('n1', { body: 'made on what is lost' }), true);
  laptop.enqueue(patch('n1', { body: 'made on that' }), true);
  laptop.enqueue(put('other'), true);
  laptop.enqueue(patch('n2', { body: 'not guarded' }));
  await loseHistory();
  await write(phone, put('n1', 'first'), patch('n1', { title: 'of the new history' }), put('n2'));

  await laptop.drain();
  expect(codes(laptop.failed())).toEqual(['BASE_LOST', 'BLOCKED']);
  expect(notes(laptop)).toMatchObject({ n1: { title: 'of the new history', body: '' } });
  expect(notes(laptop)).toMatchObject({ n2: { body: 'not guarded' }, other: {} });
  // Two puts, a patch of each device, and the other note.
  expect(await serverLog()).toHaveLength(5);
  expect(await serverNotes()).toEqual(notes(laptop));

  for (const { event } of laptop.failed()) laptop.discard(event.identityKey);
  laptop.enqueue(patch('n1', { body: 'made anew' }), true);
  await laptop.sync();
  expect(await serverNotes()).toMatchObject({ n1: { body: 'made anew' } });
});

test('guarded edits are kept for a person if a restore has set their record back to a lower version', async () => {
  const { laptop, phone } = await noteAtVersion2();
  laptop.enqueue(patch('n1', { body: 'made on what is lost' }), true);
  await loseHistory();
  await write(phone, put('n1', 'first'));
  await laptop.sync();
  expect(codes(laptop.failed())).toEqual(['BASE_LOST']);
  expect(await serverNotes()).toEqual({ n1: { title: 'first', body: '' } });
});

test('guarded edits of lost records are also found if the bootstrap fails half-way', async () => {
  const { laptop, phone } = await noteAtVersion2();
  laptop.enqueue(patch('n1', { body: 'made on what is lost' }), true);
  await loseHistory();
  await write(phone, put('n1', 'first'), patch('n1', { title: 'of the new history' }));
  const [cut, network] = await openBehindProxy('laptop');
  const lost = network.loseAnswerTo('GET ');
  await expect(cut.sync()).rejects.toThrow(UnavailableError);
  await lost;
  await expect(cut.sync()).resolves.toBeUndefined();
  expect(codes(cut.failed())).toEqual(['BASE_LOST']);
});

test('after a long absence a guarded edit is applied if its record is unchanged, else it is a conflict', async () => {
  const { laptop, phone } = await noteAtVersion2();
  await write(phone, put('changed'), put('removed'));
  await laptop.sync();
  for (const id of ['n1', 'changed', 'removed']) laptop.enqueue(patch(id, { body: 'mine' }), true);
  await write(phone, patch('changed', { title: 'by phone' }), remove('removed'));
  await queryTenant(`DELETE FROM records WHERE ${ofTenant} AND deleted`);
  await queryTenant('UPDATE tenants SET horizon = head WHERE id = $1');
  await laptop.sync();
  expect(codes(laptop.failed())).toEqual(['CONFLICT', 'CONFLICT']);
  expect(await serverNotes()).toEqual({
    n1: { title: 'second', body: 'mine' },
    changed: { title: 'by phone', body: '' },
  });
});

/** The laptop has the note with version 2. */
async function noteAtVersion2(options: Partial<TestDeviceOptions> = {}) {
  const [laptop, phone] = [open('laptop', options), open('phone')];
  await write(phone, put('n1', 'first'), patch('n1', { title: 'second' }));
  await laptop.sync();
  expect(laptop.version('note', 'n1')).toBe(2);
  return { laptop, phone };
}

async function write(
  device: TestDevice,
  ...edits: Parameters<TestDevice['enqueue']>[0][]
): Promise<void> {
  for (const edit of edits) device.enqueue(edit);
  await device.sync();
}

/** As if a backup of the time before the tenant's first event had been restored. */
const loseHistory = () => restoreTo(0);
