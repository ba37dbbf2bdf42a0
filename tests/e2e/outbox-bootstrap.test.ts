import { expect, test } from 'vitest';
import { drain } from '../outbox/drain.ts';
import { UnavailableError } from '../outbox/request.ts';
import {
  notes,
  open,
  put,
  putMany,
  queryTenant,
  remove,
  serverNotes,
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
