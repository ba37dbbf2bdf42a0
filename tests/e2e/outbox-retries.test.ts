import { expect, test } from 'vitest';
import { drain } from '../outbox/drain.ts';
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

test('a patch that arrives before its create is kept and sent again until the create is there', async () => {
  const later = fakeClock();
  const [laptop, phone] = [open('laptop'), open('phone', later)];
  phone.enqueue(patch('n1', { body: 'patched' }));
  phone.enqueue(put('other'));
  await phone.sync();
  expect(codes(phone.pending())).toEqual(['NOT_FOUND']);
  expect(notes(phone)).toEqual({ other: { title: 'other', body: '' } });
  await phone.flush();
  expect(attempts(phone.pending())).toEqual([1]);

  laptop.enqueue(put('n1'));
  await laptop.sync();
  await drain(phone, later);
  expect(notes(phone)).toMatchObject({ n1: { title: 'n1' } });
  expect(await serverNotes()).toEqual(notes(phone));
});

test('three attempts, then an event has failed and waits for a person', async () => {
  const later = fakeClock();
  const { fetch, pushes } = recordingFetch();
  const phone = open('phone', { ...later, fetch });
  const key = phone.enqueue(patch('nowhere', { title: 'lost' }));
  await drain(phone, later);
  expect(pushes).toHaveLength(3);
  expect(codes(phone.failed())).toEqual(['NOT_FOUND']);
  expect(attempts(phone.failed())).toEqual([3]);

  phone.retry(key);
  expect(phone.pending()).toHaveLength(1);
  await drain(phone, later);
  expect(pushes).toHaveLength(6);
  phone.discard(key);
  expect(phone.failed()).toEqual([]);
});

test("waits grow, and never end before the server's own retryAfterMs", async () => {
  const later = fakeClock();
  const waits: number[] = [];
  const phone = open('phone', later);
  phone.enqueue(patch('nowhere', { title: 'lost' }));
  const sleep = async (milliseconds: number) => {
    waits.push(milliseconds);
    later.pass(milliseconds);
  };
  await drain(phone, { ...later, sleep });
  expect(waits).toHaveLength(2);
  for (const wait of waits) expect(wait).toBeGreaterThanOrEqual(30_000);
});

test("an entity's later edits wait behind one that is retried, and cost no attempt", async () => {
  const later = fakeClock();
  const { fetch, pushes } = recordingFetch();
  const phone = open('phone', { ...later, fetch });
  phone.enqueue(patch('n1', { title: 'one' }));
  phone.enqueue(patch('n1', { title: 'two' }));
  phone.enqueue(put('other'));
  await phone.flush();
  expect(codes(phone.pending())).toEqual(['NOT_FOUND', 'BLOCKED']);
  expect(attempts(phone.pending())).toEqual([1, 0]);
  later.pass(10_000);
  phone.enqueue(patch('n1', { title: 'three' }));
  await phone.flush();
  expect(pushes).toHaveLength(1);

  const laptop = open('laptop');
  laptop.enqueue(put('n1', 'zero'));
  await laptop.sync();
  later.pass(60_000);
  await phone.sync();
  expect(pushes.map((push) => push.keys.length)).toEqual([3, 3]);
  expect(phone.pending()).toEqual([]);
});

test('an event that can never succeed fails at once, and its edit no longer shows', async () => {
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

test('a guarded edit on top of one that failed for good is given up too', async () => {
  const later = fakeClock();
  const laptop = open('laptop', later);
  laptop.enqueue(put('n1', 'x'.repeat(501)));
  laptop.enqueue(patch('n1', { body: 'on top of it' }), true);
  await drain(laptop, later);
  expect(codes(laptop.failed())).toEqual(['INVALID_PAYLOAD', 'BLOCKED']);
  expect(notes(laptop)).toEqual({});
});

test('a clock that is set back does not park an event', async () => {
  const device = fakeClock();
  const phone = open('phone', device);
  phone.enqueue(patch('n1', { title: 'patched' }));
  await phone.flush();
  const laptop = open('laptop');
  laptop.enqueue(put('n1'));
  await laptop.sync();
  device.pass(-10 * 365 * 24 * 3_600_000);
  await phone.sync();
  expect(phone.pending()).toEqual([]);
});
