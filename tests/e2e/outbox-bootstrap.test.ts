import { expect, test } from 'vitest';
import { drain } from '../outbox/drain.ts';
import { freightKinds } from '../outbox/freight.ts';
import { noteKinds } from '../outbox/notes.ts';
import { RefusedError, UnavailableError } from '../outbox/request.ts';
import { problem } from './gateway.ts';
import {
  notes,
  open,
  openBehindGateway,
  put,
  putMany,
  queryTenant,
  remove,
  serverLog,
  serverNotes,
  startFresh,
  useOutboxes,
} from './outbox-harness.ts';

useOutboxes();

test('410: the device bootstraps, forgets what is gone, and keeps its queue', async () => {
  const [laptop, phone] = [open('laptop'), open('phone')];
  for (const id of ['kept', 'removed', 'purged']) laptop.enqueue(put(id));
  await laptop.sync();
  await phone.sync();
  laptop.enqueue(remove('removed'));
  laptop.enqueue(put('new'));
  await laptop.sync();
  // The tombstone is cleaned up, and with it every checkpoint that would need it has expired.
  await queryTenant("DELETE FROM records WHERE tenant_id = $1 AND entity_id = 'purged'");
  await queryTenant('DELETE FROM records WHERE tenant_id = $1 AND deleted');
  await queryTenant('UPDATE tenants SET horizon = head WHERE id = $1');
  phone.enqueue(put('queued'));
  await phone.pull();
  expect(Object.keys(notes(phone)).sort()).toEqual(['kept', 'new', 'queued']);
  expect(phone.pending()).toHaveLength(1);
  await phone.sync();
  expect(await serverNotes()).toEqual(notes(phone));
});

test('410 after a restore: what the lost history had taken is sent again', async () => {
  const laptop = open('laptop');
  laptop.enqueue(put('n1'));
  await laptop.sync();
  laptop.enqueue(put('n2'));
  await laptop.flush();
  // As if the backup had been made before the second note came.
  await queryTenant("DELETE FROM records WHERE tenant_id = $1 AND entity_id = 'n2'");
  await queryTenant("DELETE FROM events WHERE tenant_id = $1 AND entity_id = 'n2'");
  await queryTenant('UPDATE tenants SET head = 1, epoch = gen_random_uuid() WHERE id = $1');
  await drain(laptop);
  await drain(laptop);
  expect(Object.keys(notes(laptop))).toEqual(['n1', 'n2']);
  expect(await serverNotes()).toEqual(notes(laptop));
});

test('a bootstrap that breaks off between two pages goes on where it stopped', async () => {
  const [laptop, phone] = [open('laptop'), open('phone')];
  putMany(laptop, 600);
  await laptop.sync();
  await phone.sync();
  await queryTenant("DELETE FROM records WHERE tenant_id = $1 AND entity_id = 'n0'");
  await queryTenant('UPDATE tenants SET epoch = gen_random_uuid() WHERE id = $1');
  phone.enqueue(put('queued'));
  let pages = 0;
  const countPages: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init);
    pages += answer.ok ? 1 : 0;
    return answer;
  };
  const cutSecondPage: typeof fetch = async (input, init) => {
    const answer = await countPages(input, init);
    if (pages === 2) throw new Error('cut');
    return answer;
  };
  const cut = open('phone', { fetch: cutSecondPage });
  await expect(cut.pull()).rejects.toThrow(UnavailableError);
  expect(Object.keys(notes(cut))).toHaveLength(601);

  pages = 0;
  const again = open('phone', { fetch: countPages });
  await again.pull();
  expect(pages).toBe(1);
  expect(Object.keys(notes(again))).toHaveLength(600);
  expect(notes(again)).not.toHaveProperty('n0');
  expect(again.pending()).toHaveLength(1);
});

test('pointed at another installation, a device bootstraps there, and its queue goes there too', async () => {
  const before = open('laptop');
  for (const id of ['old', 'shared', 'gone']) before.enqueue(put(id, 'of the old place'));
  await before.sync();
  before.enqueue(put('sent', 'of the old place'));
  await before.flush();

  const fresh = await startFresh();
  const office = open('office', { url: fresh.url });
  office.enqueue(put('shared', 'of the new place'));
  await office.sync();

  const laptop = open('laptop', { url: fresh.url });
  laptop.enqueue(put('queued'));
  await laptop.sync();
  expect(notes(laptop)).toMatchObject({
    shared: { title: 'of the new place' },
    queued: { title: 'queued' },
    // It had been taken by the old place and not pulled, so it may be missing in the new one.
    sent: { title: 'of the old place' },
  });
  expect(notes(laptop)).not.toHaveProperty('gone');
  await drain(laptop);
  await office.sync();
  expect(notes(office)).toEqual(notes(laptop));
  expect([...laptop.pending(), ...laptop.failed()]).toEqual([]);
});

test('an update of the app that changes its entity types shows what they have, and keeps the queue', async () => {
  const kinds = { ...noteKinds, ...freightKinds };
  const office = open('office', { kinds });
  office.enqueue(put('n1'));
  office.enqueue(quote('q1'));
  await office.sync();

  const first = open('laptop', { kinds, entityTypes: ['note'] });
  await first.sync();
  expect([first.view('note').size, first.view('quote').size]).toEqual([1, 0]);
  first.enqueue(put('queued'));
  const second = open('laptop', { kinds, entityTypes: ['quote', 'note'] });
  await second.sync();
  expect([second.view('note').size, second.view('quote').size]).toEqual([2, 1]);
  const third = open('laptop', { kinds, entityTypes: ['quote'] });
  third.enqueue(quote('q2'));
  await third.sync();
  expect([...third.view('quote').keys()]).toEqual(['q1', 'q2']);
  await drain(third);
  expect(third.view('note').size).toBe(0);
  office.enqueue(remove('n1'));
  await office.sync();
  const fourth = open('laptop', { kinds });
  await drain(fourth);
  expect([...fourth.view('note').keys(), ...fourth.view('quote').keys()]).toEqual([
    ...['queued', 'q1', 'q2'],
  ]);
  expect([...fourth.pending(), ...fourth.failed()]).toEqual([]);
  expect(await serverLog()).toHaveLength(5);
});

const quote = (quoteId: string) => ({
  kind: 'quote.create',
  payload: { quoteId, customer: 'ACME', amountCents: 1, currency: 'EUR', status: 'draft' },
});

test.each([
  [400, 'INVALID_CHECKPOINT'],
  [410, 'CHECKPOINT_EXPIRED'],
])(
  'a server that answers %i to each of its own checkpoints is asked once a pull',
  async (status, code) => {
    let pulls = 0;
    const laptop = await openBehindGateway('laptop', ({ method, path, forward }) => {
      if (method === 'POST') return forward();
      pulls += 1;
      return path.includes('since=') ? problem(status, code) : forward();
    });
    putMany(laptop, 3);
    await laptop.sync();
    putMany(open('office'), 600);
    await open('office').sync();
    laptop.enqueue(put('queued'));
    pulls = 0;
    await expect(laptop.sync()).rejects.toThrow(RefusedError);
    // The one that it had, the first page of the bootstrap, and the second.
    expect(pulls).toBe(3);
    expect(notes(laptop)).toHaveProperty('queued');
  },
);

test('a pull that is refused for another reason keeps its checkpoint', async () => {
  let refusal: Response | undefined;
  const asked: string[] = [];
  const laptop = await openBehindGateway('laptop', ({ path, forward }) => {
    asked.push(path);
    return refusal ?? forward();
  });
  await laptop.pull();
  for (const refused of [problem(400, 'INVALID_QUERY'), new Response('gone', { status: 410 })]) {
    refusal = refused;
    await expect(laptop.pull()).rejects.toThrow(RefusedError);
  }
  refusal = undefined;
  await laptop.pull();
  expect(asked).toHaveLength(4);
  expect(asked.slice(1)).toEqual(Array(3).fill(expect.stringContaining('since=')));
});
