import { expect, test } from 'vitest';
import { UnavailableError } from '../outbox/request.ts';
import { drain } from '../outbox/drain.ts';
import type { Outbox, OutboxOptions } from '../outbox/outbox.ts';
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
  serverLog,
  serverNotes,
  useOutboxes,
} from './outbox-harness.ts';

useOutboxes();

test('guarded edits of a record that a replaced history has otherwise are kept for a person, unsent', async () => {
  const later = fakeClock();
  const { laptop, phone } = await noteAtVersion2(later);
  laptop.enqueue(patch('n1', { body: 'made on what is lost' }), true);
  laptop.enqueue(patch('n1', { body: 'made on that' }), true);
  laptop.enqueue(put('other'), true);
  laptop.enqueue(patch('n2', { body: 'not guarded' }));
  await loseHistory();
  await write(phone, put('n1', 'first'), patch('n1', { title: 'of the new history' }), put('n2'));

  await drain(laptop, later);
  expect(codes(laptop.failed())).toEqual(['BASE_LOST', 'BLOCKED']);
  expect(notes(laptop)).toMatchObject({ n1: { title: 'of the new history', body: '' } });
  expect(notes(laptop)).toMatchObject({ n2: { body: 'not guarded' }, other: {} });
  // Two puts, a patch of either device, and the other note.
  expect(await serverLog()).toHaveLength(5);
  expect(await serverNotes()).toEqual(notes(laptop));

  for (const { event } of laptop.failed()) laptop.discard(event.identityKey);
  laptop.enqueue(patch('n1', { body: 'made anew' }), true);
  await laptop.sync();
  expect(await serverNotes()).toMatchObject({ n1: { body: 'made anew' } });
});

test('so are those of a record that a restore set back to a lower version', async () => {
  const { laptop, phone } = await noteAtVersion2();
  laptop.enqueue(patch('n1', { body: 'made on what is lost' }), true);
  await loseHistory();
  await write(phone, put('n1', 'first'));
  await laptop.sync();
  expect(codes(laptop.failed())).toEqual(['BASE_LOST']);
  expect(await serverNotes()).toEqual({ n1: { title: 'first', body: '' } });
});

test('a bootstrap that breaks off half-way still finds what the rest of it takes away', async () => {
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

test('after a long absence a base that is still the version of its record stands, and any other is a conflict', async () => {
  const { laptop, phone } = await noteAtVersion2();
  await write(phone, put('changed'), put('removed'));
  await laptop.sync();
  for (const id of ['n1', 'changed', 'removed']) laptop.enqueue(patch(id, { body: 'mine' }), true);
  await write(phone, patch('changed', { title: 'by phone' }), remove('removed'));
  await queryTenant('DELETE FROM records WHERE tenant_id = $1 AND deleted');
  await queryTenant('UPDATE tenants SET horizon = head WHERE id = $1');
  await laptop.sync();
  expect(codes(laptop.failed())).toEqual(['CONFLICT', 'CONFLICT']);
  expect(await serverNotes()).toEqual({
    n1: { title: 'second', body: 'mine' },
    changed: { title: 'by phone', body: '' },
  });
});

/** Both devices have the note as its second event made it. */
async function noteAtVersion2(options: Partial<OutboxOptions> = {}) {
  const [laptop, phone] = [open('laptop', options), open('phone')];
  await write(phone, put('n1', 'first'), patch('n1', { title: 'second' }));
  await laptop.sync();
  expect(laptop.version('note', 'n1')).toBe(2);
  return { laptop, phone };
}

async function write(outbox: Outbox, ...edits: Parameters<Outbox['enqueue']>[0][]): Promise<void> {
  for (const edit of edits) outbox.enqueue(edit);
  await outbox.sync();
}

/** As if a backup of the time before the tenant's first event had been restored. */
async function loseHistory(): Promise<void> {
  await queryTenant('DELETE FROM records WHERE tenant_id = $1');
  await queryTenant('DELETE FROM events WHERE tenant_id = $1');
  await queryTenant('UPDATE tenants SET head = 0, epoch = gen_random_uuid() WHERE id = $1');
}
