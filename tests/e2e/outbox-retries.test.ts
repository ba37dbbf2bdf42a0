import { expect, test } from 'vitest';
import {
  attempts,
  codes,
  fakeClock,
  notes,
  open,
  patch,
  put,
  recordingFetch,
  serverNotes,
  useOutboxes,
} from './outbox-harness.ts';

useOutboxes();

test('a patch that arrives before its create is sent again until the create has arrived', async () => {
  const later = fakeClock();
  const [laptop, phone] = [open('laptop'), open('phone', later)];
  phone.enqueue(patch('n1', { body: 'patched' }));
  phone.enqueue(put('other'));
  await phone.sync();
  expect(codes(phone.pending())).toEqual(['NOT_FOUND']);
  expect(notes(phone)).toEqual({ other: { title: 'other', body: '' } });
  await phone.push();
  expect(attempts(phone.pending())).toEqual([1]);

  laptop.enqueue(put('n1'));
  await laptop.sync();
  await phone.drain();
  expect(notes(phone)).toMatchObject({ n1: { title: 'n1' } });
  expect(await serverNotes()).toEqual(notes(phone));
});

test('after three attempts an event has failed and is kept for a person', async () => {
  const later = fakeClock();
  const { fetch, pushes } = recordingFetch();
  const phone = open('phone', { ...later, fetch });
  const key = phone.enqueue(patch('nowhere', { title: 'lost' }));
  await phone.drain();
  expect(pushes).toHaveLength(3);
  expect(codes(phone.failed())).toEqual(['NOT_FOUND']);
  expect(attempts(phone.failed())).toEqual([3]);

  phone.retry(key);
  expect(phone.pending()).toHaveLength(1);
  await phone.drain();
  expect(pushes).toHaveLength(6);
  phone.discard(key);
  expect(phone.failed()).toEqual([]);
});

test("waits are never shorter than the server's retryAfterMs", async () => {
  const later = fakeClock();
  const waits: number[] = [];
  const sleep = async (milliseconds: number) => {
    waits.push(milliseconds);
    later.pass(milliseconds);
  };
  const phone = open('phone', { ...later, sleep });
  phone.enqueue(patch('nowhere', { title: 'lost' }));
  await phone.drain();
  expect(waits).toHaveLength(2);
  for (const wait of waits) expect(wait).toBeGreaterThanOrEqual(30_000);
});

test('later edits of an entity wait behind one that is retried, and count no attempt', async () => {
  const later = fakeClock();
  const { fetch, pushes } = recordingFetch();
  const phone = open('phone', { ...later, fetch });
  phone.enqueue(patch('n1', { title: 'one' }));
  phone.enqueue(patch('n1', { title: 'two' }));
  phone.enqueue(put('other'));
  await phone.push();
  expect(codes(phone.pending())).toEqual(['NOT_FOUND', 'BLOCKED']);
  expect(attempts(phone.pending())).toEqual([1, 0]);
  later.pass(10_000);
  phone.enqueue(patch('n1', { title: 'three' }));
  await phone.push();
  expect(pushes).toHaveLength(1);

  const laptop = open('laptop');
  laptop.enqueue(put('n1', 'zero'));
  await laptop.sync();
  later.pass(60_000);
  await phone.sync();
  expect(pushes.map((push) => push.keys.length)).toEqual([3, 3]);
  expect(phone.pending()).toEqual([]);
});

test('an event that can never succeed fails at once, and its edit is no longer shown', async () => {
  const { fetch, pushes } = recordingFetch();
  const laptop = open('laptop', { fetch });
  laptop.enqueue(put('n1', 'short'));
  await laptop.sync();
  laptop.enqueue(patch('n1', { title: 'x'.repeat(501) }));
  laptop.enqueue(patch('n1', { body: 'kept' }));
  await laptop.sync();
  expect(codes(laptop.failed())).toEqual(['INVALID_PAYLOAD']);
  expect(attempts(laptop.failed())).toEqual([1]);
  expect(notes(laptop)).toEqual({ n1: { title: 'short', body: 'kept' } });
  await laptop.sync();
  expect(pushes).toHaveLength(2);
});

test('a guarded edit that was made on a failed edit is given up too', async () => {
  const later = fakeClock();
  const laptop = open('laptop', later);
  laptop.enqueue(put('n1', 'x'.repeat(501)));
  laptop.enqueue(patch('n1', { body: 'on top of it' }), true);
  await laptop.drain();
  expect(codes(laptop.failed())).toEqual(['INVALID_PAYLOAD', 'BLOCKED']);
  expect(notes(laptop)).toEqual({});
});

test("an event that waits is sent after the device's clock was set back", async () => {
  const device = fakeClock();
  const phone = open('phone', device);
  phone.enqueue(patch('n1', { title: 'patched' }));
  await phone.push();
  const laptop = open('laptop');
  laptop.enqueue(put('n1'));
  await laptop.sync();
  device.pass(-10 * 365 * 24 * 3_600_000);
  await phone.sync();
  expect(phone.pending()).toEqual([]);
});
