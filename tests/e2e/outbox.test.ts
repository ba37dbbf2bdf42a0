import { expect, test } from 'vitest';
import { UnavailableError } from '../outbox/request.ts';
import {
  attempts,
  codes,
  fakeClock,
  keysOf,
  notes,
  open,
  openBehindProxy,
  patch,
  put,
  putMany,
  recordingFetch,
  remove,
  serverLog,
  serverNotes,
  useOutboxes,
} from './outbox-harness.ts';

useOutboxes();

test('two devices that edit offline and come back end with the same notes as the server', async () => {
  const [laptop, laptopNetwork] = await openBehindProxy('laptop');
  const [phone, phoneNetwork] = await openBehindProxy('phone');
  for (const id of ['shared', 'split', 'gone']) laptop.enqueue(put(id, 'first', 'first'));
  await laptop.sync();
  await phone.sync();

  laptopNetwork.refuseConnections();
  phoneNetwork.refuseConnections();
  laptop.enqueue(patch('split', { title: 'by laptop' }));
  phone.enqueue(patch('split', { body: 'by phone' }));
  laptop.enqueue(put('only-laptop'));
  phone.enqueue(remove('gone'));
  phone.enqueue(put('shared', 'by phone'));
  await expect(laptop.sync()).rejects.toThrow(UnavailableError);
  await expect(phone.sync()).rejects.toThrow(UnavailableError);
  expect(notes(phone)).toEqual({
    shared: { title: 'by phone', body: '' },
    split: { title: 'first', body: 'by phone' },
  });

  laptopNetwork.acceptConnections();
  phoneNetwork.acceptConnections();
  await phone.sync();
  await laptop.sync();
  await phone.sync();
  expect(notes(laptop)).toEqual({
    shared: { title: 'by phone', body: '' },
    split: { title: 'by laptop', body: 'by phone' },
    'only-laptop': { title: 'only-laptop', body: '' },
  });
  expect(notes(phone)).toEqual(notes(laptop));
  expect(await serverNotes()).toEqual(notes(laptop));
  expect(laptop.pending()).toEqual([]);
});

test('an edit is shown at once, and also between its push and the next pull', async () => {
  const laptop = open('laptop');
  laptop.enqueue(put('n1'));
  laptop.enqueue(patch('n1', { body: 'more' }));
  expect(notes(laptop)).toEqual({ n1: { title: 'n1', body: 'more' } });
  await laptop.push();
  expect(laptop.pending()).toEqual([]);
  expect(notes(laptop)).toEqual({ n1: { title: 'n1', body: 'more' } });
  await laptop.pull();
  laptop.enqueue(remove('n1'));
  expect(notes(laptop)).toEqual({});
  await laptop.sync();
  expect(await serverNotes()).toEqual({});
});

test('120 events are sent in three batches, in the order of the edits', async () => {
  const { fetch, pushes } = recordingFetch();
  const laptop = open('laptop', { fetch });
  const keys = putMany(laptop, 120);
  await laptop.push();
  expect(pushes.map((push) => push.keys.length)).toEqual([50, 50, 20]);
  expect(pushes.flatMap((push) => push.keys)).toEqual(keys);
  expect(keysOf(await serverLog())).toEqual(keys);
  expect(new Set(pushes.map((push) => push.sentAt)).size).toBe(3);
});

test('edits of one note within a millisecond keep their order', async () => {
  const { clock } = fakeClock();
  const laptop = open('laptop', { clock });
  for (let i = 1; i <= 40; i += 1) laptop.enqueue(put('n1', `title ${i}`));
  await laptop.sync();
  expect(notes(laptop)).toEqual({ n1: { title: 'title 40', body: '' } });
});

test('an edit gets a later time than the one before it, also if the clock is set back between them', async () => {
  const device = fakeClock();
  const laptop = open('laptop', device);
  const stamps: string[] = [];
  for (const title of ['first', 'second', 'third']) {
    laptop.enqueue(put('n1', title));
    stamps.push(...laptop.pending().map(({ event }) => event.occurredAt));
    await laptop.push();
    device.pass(-3_600_000);
  }
  expect(new Set(stamps).size).toBe(3);
  expect(stamps.toSorted()).toEqual(stamps);
  await laptop.sync();
  expect(await serverNotes()).toMatchObject({ n1: { title: 'third' } });
});

test('an edit that loses is replaced by the winner as soon as it is answered', async () => {
  const hour = 3_600_000;
  const early = fakeClock();
  const [laptop, phone] = [open('laptop'), open('phone', { clock: early.clock })];
  laptop.enqueue(put('n1', 'first'));
  await laptop.sync();
  await phone.sync();
  phone.enqueue(put('n1', 'loser'));
  early.pass(hour);
  laptop.enqueue(put('n1', 'winner'));
  await laptop.sync();
  expect(notes(phone)).toMatchObject({ n1: { title: 'loser' } });
  await phone.push();
  expect(notes(phone)).toMatchObject({ n1: { title: 'winner' } });
  expect(phone.pending()).toEqual([]);
  expect(phone.failed()).toEqual([]);
  expect((await serverLog()).map((event) => event.outcome)).toContain('superseded');
});

test('a device whose clock is a year ahead does not win over a later edit', async () => {
  const year = 365 * 24 * 3_600_000;
  const ahead = fakeClock(Date.now() + year);
  const [laptop, phone] = [open('laptop'), open('phone', { clock: ahead.clock })];
  laptop.enqueue(put('n1', 'first'));
  await laptop.sync();
  phone.enqueue(put('n1', 'an hour ago'));
  ahead.pass(3_600_000);
  await phone.sync();
  expect(notes(phone)).toMatchObject({ n1: { title: 'first' } });
});

test("a guarded edit of a changed record fails, and the server's record is shown", async () => {
  const [laptop, phone] = [open('laptop'), open('phone')];
  laptop.enqueue(put('n1', 'first'));
  await laptop.sync();
  await phone.sync();
  laptop.enqueue(put('n1', 'by laptop'));
  await laptop.sync();
  phone.enqueue(put('n1', 'by phone'), true);
  phone.enqueue(patch('n1', { body: 'on top of it' }), true);
  await phone.push();
  expect(codes(phone.failed())).toEqual(['CONFLICT', 'CONFLICT']);
  expect(attempts(phone.failed())).toEqual([1, 1]);
  expect(notes(phone)).toMatchObject({ n1: { title: 'by laptop', body: '' } });
});

test('guarded edits that are made on each other offline do not conflict', async () => {
  const laptop = open('laptop');
  laptop.enqueue(put('n1', 'one'), true);
  laptop.enqueue(put('n1', 'two'), true);
  await laptop.push();
  laptop.enqueue(put('n1', 'three'), true);
  await laptop.sync();
  laptop.enqueue(put('n1', 'four'), true);
  await laptop.sync();
  expect(laptop.failed()).toEqual([]);
  expect(await serverNotes()).toEqual({ n1: { title: 'four', body: '' } });
});
