import { expect, test } from 'vitest';
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
  restoreTo,
  serverLog,
  serverNotes,
  startFresh,
  useOutboxes,
} from './outbox-harness.ts';
import { freightKinds } from './systems/freight/client.ts';
import { noteKinds } from './systems/notes/client.ts';
import type { TestDevice } from './test-device.ts';
import { ofTenant } from '../testkit/postgres/tenant-history.ts';

useOutboxes();

test('410: the device bootstraps, deletes the records that no longer exist, and keeps its queue', async () => {
  const [laptop, phone] = [open('laptop'), open('phone')];
  for (const id of ['kept', 'removed', 'purged']) laptop.enqueue(put(id));
  await laptop.sync();
  await phone.sync();
  laptop.enqueue(remove('removed'));
  laptop.enqueue(put('new'));
  await laptop.sync();
  // The retention job purges the tombstone. Every checkpoint from before it has then expired.
  await queryTenant(`DELETE FROM records WHERE ${ofTenant} AND entity_id = 'purged'`);
  await queryTenant(`DELETE FROM records WHERE ${ofTenant} AND deleted`);
  await queryTenant('UPDATE tenants SET horizon = head WHERE id = $1');
  phone.enqueue(put('queued'));
  await phone.pull();
  expect(Object.keys(notes(phone)).sort()).toEqual(['kept', 'new', 'queued']);
  expect(phone.pending()).toHaveLength(1);
  await phone.sync();
  expect(await serverNotes()).toEqual(notes(phone));
});

test('410 after a restore: the device sends the events again that the restore has lost', async () => {
  const laptop = open('laptop');
  laptop.enqueue(put('n1'));
  await laptop.sync();
  laptop.enqueue(put('n2'));
  await laptop.push();
  // As if a backup from before the second note had been restored.
  await restoreTo(1);
  await laptop.drain();
  await laptop.drain();
  expect(Object.keys(notes(laptop))).toEqual(['n1', 'n2']);
  expect(await serverNotes()).toEqual(notes(laptop));
});

test('a bootstrap that fails between two pages continues with the next page', async () => {
  const [laptop, phone] = [open('laptop'), open('phone')];
  putMany(laptop, 600);
  await laptop.sync();
  await phone.sync();
  await queryTenant(`DELETE FROM records WHERE ${ofTenant} AND entity_id = 'n0'`);
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

test('a device that is pointed at another installation bootstraps there, and sends its queue there', async () => {
  const before = open('laptop');
  for (const id of ['old', 'shared', 'gone']) before.enqueue(put(id, 'of the old installation'));
  await before.sync();
  before.enqueue(put('sent', 'of the old installation'));
  await before.push();

  const fresh = await startFresh();
  const office = open('office', { url: fresh.url });
  office.enqueue(put('shared', 'of the new installation'));
  await office.sync();

  const laptop = open('laptop', { url: fresh.url });
  laptop.enqueue(put('queued'));
  await laptop.sync();
  expect(notes(laptop)).toMatchObject({
    shared: { title: 'of the new installation' },
    queued: { title: 'queued' },
    // The old installation had processed it, but the device had not pulled it. So it sends it again.
    sent: { title: 'of the old installation' },
  });
  expect(notes(laptop)).not.toHaveProperty('gone');
  await laptop.drain();
  await office.sync();
  expect(notes(office)).toEqual(notes(laptop));
  expect([...laptop.pending(), ...laptop.failed()]).toEqual([]);
});

test('after an update that changes the entity types of an app, it shows their records and keeps its queue', async () => {
  const office = open('office', { kinds });
  office.enqueue(put('n1'));
  office.enqueue(quote('q1'));
  await office.sync();

  const first = openWithTypes('note');
  await first.sync();
  expect([first.view('note').size, first.view('quote').size]).toEqual([1, 0]);
  first.enqueue(put('queued'));
  const second = openWithTypes('quote', 'note');
  await second.sync();
  expect([second.view('note').size, second.view('quote').size]).toEqual([2, 1]);
  const third = openWithTypes('quote');
  third.enqueue(quote('q2'));
  await third.sync();
  expect([...third.view('quote').keys()]).toEqual(['q1', 'q2']);
  await third.drain();
  expect(third.view('note').size).toBe(0);
  office.enqueue(remove('n1'));
  await office.sync();
  const fourth = open('laptop', { kinds });
  await fourth.drain();
  expect([...fourth.view('note').keys(), ...fourth.view('quote').keys()]).toEqual([
    ...['queued', 'q1', 'q2'],
  ]);
  expect([...fourth.pending(), ...fourth.failed()]).toEqual([]);
  expect(await serverLog()).toHaveLength(5);
});

const kinds = { ...noteKinds, ...freightKinds };

/** The laptop with an app that shows these entity types, and pulls no others. */
function openWithTypes(...entityTypes: string[]): TestDevice {
  const filter = `entityTypes=${entityTypes.join(',')}`;
  const pullTypes: typeof fetch = (input, init) => {
    if (typeof input !== 'string' || init?.body) return fetch(input, init);
    return fetch(input + (input.includes('?') ? '&' : '?') + filter, init);
  };
  const laptop = open('laptop', { kinds, fetch: pullTypes });
  // No page brings changes of the other types any more.
  const others = 'DELETE FROM records WHERE entity ->> 0 NOT IN (SELECT value FROM json_each(?))';
  laptop.outbox.database.run(others, JSON.stringify(entityTypes));
  return laptop;
}

const quote = (quoteId: string) => ({
  kind: 'quote.create',
  payload: { quoteId, customer: 'ACME', amountCents: 1, currency: 'EUR', status: 'draft' },
});

test.each([
  [400, 'INVALID_CHECKPOINT'],
  [410, 'CHECKPOINT_EXPIRED'],
])(
  'a pull bootstraps only once if the server answers %i to each of its own checkpoints',
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
    // One with the old checkpoint, one without, and one with the checkpoint of the first page.
    expect(pulls).toBe(3);
    expect(notes(laptop)).toHaveProperty('queued');
  },
);

test('a pull that is refused for another reason keeps the checkpoint', async () => {
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
