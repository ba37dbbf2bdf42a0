import { z } from 'zod';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defineKind, type Kind } from '../../../src/domain/kinds/define-kind.ts';
import { entityType, recordData } from '../../../src/domain/kinds/record-versions.ts';
import { payload } from '../../../src/domain/kinds/schema-versions.ts';
import { append } from '../../../src/domain/kinds/policies/append.ts';
import { accept, decide, putRecord, reject } from '../../../src/domain/kinds/policies/decide.ts';
import { patch } from '../../../src/domain/kinds/policies/patch.ts';
import { put } from '../../../src/domain/kinds/policies/put.ts';
import { remove } from '../../../src/domain/kinds/policies/remove.ts';
import { strict } from '../../../src/domain/kinds/policies/strict.ts';
import { nextKey, type SentEvent } from '../../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';
import { ofTenant } from '../../testkit/postgres/tenant-history.ts';

const id = z.strictObject({ id: z.string() });
const entityId = (about: z.infer<typeof id>) => about.id;
const any = id.extend({ fields: z.record(z.string(), z.json()) });
const fact = id.extend({ cents: z.int() });

/** The library as it began: books have a label, sums are in euros. Nothing has versions. */
const firstKinds: readonly Kind[] = [
  defineKind({
    ...{ name: 'book.put', entityType: 'book', payload: payload(any), entityId },
    policy: put(({ fields }) => fields),
  }),
  defineKind({
    ...{ name: 'book.patch', entityType: 'book', payload: payload(any), entityId },
    policy: patch(({ fields }) => fields),
  }),
  defineKind({
    ...{ name: 'book.remove', entityType: 'book', payload: payload(id), entityId },
    policy: remove(),
  }),
  defineKind({
    ...{ name: 'sum.add', entityType: 'sum', payload: payload(fact), entityId },
    policy: append((before, { cents }) => ({ euros: Number(before?.euros ?? 0) + cents / 100 })),
  }),
];

const book = entityType(
  'book',
  recordData(z.strictObject({ label: z.string() })).next(
    z.strictObject({ title: z.string(), copies: z.int() }),
    ({ label }) => {
      if (label === 'unreadable') throw new Error('this label cannot be read');
      return { title: label, copies: 1 };
    },
  ),
);
const sum = entityType(
  'sum',
  recordData(z.strictObject({ euros: z.number() })).next(
    z.strictObject({ cents: z.int() }),
    ({ euros }) => ({ cents: Math.round(euros * 100) }),
  ),
);

/** The library of today. */
const nextKinds: readonly Kind[] = [
  defineKind({
    ...{ name: 'book.put', entityType: book, payload: payload(any), entityId },
    policy: put(({ fields }) => fields),
  }),
  defineKind({
    ...{ name: 'book.patch', entityType: book, payload: payload(any), entityId },
    policy: patch(({ fields }) => fields),
  }),
  defineKind({
    ...{ name: 'book.change', entityType: book, payload: payload(any), entityId },
    policy: strict(put(({ fields }) => fields)),
    resolve: (current, incoming) =>
      incoming.merge === true
        ? { title: current.data.title ?? 'none', copies: Number(current.data.copies) + 1 }
        : undefined,
  }),
  defineKind({
    ...{ name: 'book.remove', entityType: book, payload: payload(id), entityId },
    policy: remove(),
  }),
  defineKind({
    ...{ name: 'sum.add', entityType: sum, payload: payload(fact), entityId },
    policy: append((before, { cents }) => ({ cents: Number(before?.cents ?? 0) + cents })),
  }),
  defineKind({
    ...{ name: 'loan.start', entityType: 'loan', otherTypes: [book], entityId },
    payload: payload(id.extend({ bookId: z.string() })),
    failures: { NO_COPY_LEFT: { retryable: true, cause: 'All are out.', remedy: 'Wait.' } },
    policy: decide({
      reads: ({ bookId }) => [{ entityType: 'book', entityId: bookId }],
      decide: ({ id: loanId, bookId }, records) => {
        const found = records.find('book', bookId);
        if (!found) return reject('NOT_FOUND', 'no such book');
        const { title = '', copies } = found.data;
        if (!(Number(copies) > 0)) return reject('NO_COPY_LEFT', 'all are out');
        return accept(
          putRecord(found, { title, copies: Number(copies) - 1 }),
          putRecord({ entityType: 'loan', entityId: loanId }, { title }),
        );
      },
    }),
  }),
];

let first: TestApp;
let next: TestApp;
beforeAll(async () => {
  first = await startApp({ kinds: firstKinds });
  next = await startApp({ kinds: nextKinds, database: first.database });
});
afterAll(async () => {
  await next.close();
  await first.close();
});

const send = (kind: string, fields: object, rest: object = {}): SentEvent => ({
  ...{ identityKey: nextKey(), kind, payload: { id: 'emma', ...fields } },
  ...rest,
});
const putBook = (fields: object, rest?: object) => send('book.put', { fields }, rest);
const patchBook = (fields: object, rest?: object) => send('book.patch', { fields }, rest);
const startLoan = (loan: string) => send('loan.start', { id: loan, bookId: 'emma' });

/** A tenant whose events were taken by the first library, and who now meets the next. */
async function grown(...events: readonly SentEvent[]): Promise<Tenant> {
  const { id: tenant } = await createTenant(first);
  const { failed } = await first.push(events, {}, { tenant, device: 'd1' });
  expect(failed).toEqual([]);
  const sender = (device = 'd1') => ({ tenant, device });
  // Another device than the one before it, as the edits of one device keep their own order.
  let pushes = 0;
  const push = (sent: readonly unknown[], envelope = {}) => {
    pushes += 1;
    return next.push(sent, envelope, sender(`other ${pushes}`));
  };
  return {
    ...(await createTenant(next)),
    ...{ id: tenant, sender, push, pull: (query = {}) => next.pull(query, sender()) },
  };
}
const emma = { label: 'Emma' };
const stored = async ({ id: tenant }: Tenant) =>
  next.sql<{ data: object; version: number }>(
    `SELECT data, data_version AS version FROM records WHERE ${ofTenant} AND entity_id = 'emma'`,
    [tenant],
  );
const shown = async (tenant: Tenant) => (await tenant.pull()).changes.map(({ data }) => data);
const statuses = async (tenant: Tenant, ...events: readonly SentEvent[]) =>
  ((await tenant.push(events)).results ?? []).map(({ code, status }) => code ?? status);

describe('a record that was written in an older version of its data', () => {
  test('is pulled in the newest, and is stored as it was until an event writes it', async () => {
    const tenant = await grown(putBook(emma), send('sum.add', { id: 'till', cents: 150 }));
    expect(await shown(tenant)).toEqual([{ title: 'Emma', copies: 1 }, { cents: 150 }]);
    expect(await stored(tenant)).toEqual([{ data: emma, version: 1 }]);
    expect(await statuses(tenant, patchBook({ copies: 3 }))).toEqual(['applied']);
    expect(await stored(tenant)).toEqual([{ data: { title: 'Emma', copies: 3 }, version: 2 }]);
  });

  test('is lifted before a kind decides on it', async () => {
    const tenant = await grown(putBook(emma));
    const loans = ['l1', 'l2', 'l3'].map((loan) => startLoan(loan));
    const said = ['applied', 'NO_COPY_LEFT', 'NO_COPY_LEFT'];
    expect(await statuses(tenant, ...loans)).toEqual(said);
    expect(await shown(tenant)).toEqual([{ title: 'Emma', copies: 0 }, { title: 'Emma' }]);
  });

  test('is lifted before a kind folds a fact into it', async () => {
    const tenant = await grown(send('sum.add', { cents: 150 }));
    expect(await statuses(tenant, send('sum.add', { cents: 5 }))).toEqual(['applied']);
    expect(await shown(tenant)).toEqual([{ cents: 155 }]);
  });

  test('is lifted before a kind merges an edit with it', async () => {
    const tenant = await grown(putBook({ label: 'Ema' }), putBook(emma));
    const edit = send('book.change', { fields: { merge: true } }, { baseVersion: 1 });
    expect(await statuses(tenant, edit)).toEqual(['applied']);
    expect(await shown(tenant)).toEqual([{ title: 'Emma', copies: 2 }]);
  });

  test('is what it was, where a put says so in the newest version', async () => {
    const tenant = await grown(putBook(emma));
    expect(await statuses(tenant, putBook({ title: 'Emma', copies: 1 }))).toEqual(['noop']);
  });

  test('is answered in the newest to who lost against it, and in a conflict', async () => {
    const tenant = await grown(putBook({ label: 'Ema' }), putBook(emma));
    const late = putBook({ title: 'Late', copies: 9 }, { occurredAt: '2020-01-01T00:00:00Z' });
    const stale = send('book.change', { fields: { title: 'Mine', copies: 1 } }, { baseVersion: 1 });
    const { results } = await tenant.push([late]);
    const { failed } = await tenant.push([stale]);
    const current = { version: 2, data: { title: 'Emma', copies: 1 } };
    expect(results?.[0]).toMatchObject({ status: 'superseded', current });
    expect(failed).toMatchObject([{ code: 'CONFLICT', current, differingFields: ['title'] }]);

    const url = '/api/sync/conflicts';
    const { body } = await next.request({ url, sender: tenant.sender() });
    expect(body.conflicts).toMatchObject([{ current, differingFields: ['title'] }]);
    const one = await next.request({ url: `${url}/${stale.identityKey}`, sender: tenant.sender() });
    expect(one.body).toMatchObject({ current, differingFields: ['title'] });

    const settled = await next.request({
      ...{ method: 'POST', url: `${url}/${stale.identityKey}/resolution` },
      ...{ sender: tenant.sender(), body: { resolution: 'discard' } },
    });
    expect(settled.body).toMatchObject({
      current: { data: current.data },
      differingFields: ['title'],
    });
  });

  test('under a tombstone is shown in the newest, and comes back in it', async () => {
    const deleted = send('book.remove', {}, { occurredAt: '2026-01-02T00:00:00Z' });
    const tenant = await grown(putBook(emma, { occurredAt: '2026-01-01T00:00:00Z' }), deleted);
    expect(await statuses(tenant, patchBook({ copies: 2 }))).toEqual(['applied']);
    expect(await shown(tenant)).toEqual([{ title: 'Emma', copies: 2 }]);
  });

  test('keeps the time of a field that has another name now: a late older patch loses', async () => {
    const at = (hour: string) => ({ occurredAt: `2026-01-01T${hour}:00:00Z` });
    const tenant = await grown(
      putBook({ label: 'Ema' }, at('08')),
      patchBook({ label: 'Emma' }, at('12')),
    );
    expect(await statuses(tenant, patchBook({ title: 'Ema!' }, at('10')))).toEqual(['superseded']);
    expect(await statuses(tenant, patchBook({ title: 'EMMA' }, at('13')))).toEqual(['applied']);
    expect(await shown(tenant)).toEqual([{ title: 'EMMA', copies: 1 }]);
  });

  test('is lifted once for all batches of a group, each on what the one before it made', async () => {
    const tenant = await grown(send('sum.add', { cents: 150 }));
    const batches = Array.from({ length: 8 }, () => tenant.push([send('sum.add', { cents: 10 })]));
    await Promise.all(batches);
    expect(await shown(tenant)).toEqual([{ cents: 230 }]);
  });
});

describe('a record that cannot be lifted', () => {
  const broken = { label: 'unreadable' };
  const told = (from: number, event: string) =>
    next.logLines.slice(from).filter((line) => line.event === event);

  test('fails every event that would be decided on it, as the server’s fault, and no other', async () => {
    const tenant = await grown(putBook(broken), send('sum.add', { id: 'till', cents: 5 }));
    const from = next.logLines.length;
    const { failed, processed } = await tenant.push([
      patchBook({ copies: 1 }),
      startLoan('l1'),
      send('sum.add', { id: 'till', cents: 5 }),
    ]);
    expect(failed).toMatchObject([
      { code: 'KIND_FAILED', fault: 'server', message: 'book.patch failed on this event' },
      { code: 'KIND_FAILED', fault: 'server', message: 'loan.start failed on this event' },
    ]);
    expect(processed).toHaveLength(1);
    expect(await stored(tenant)).toEqual([{ data: broken, version: 1 }]);
    expect(told(from, 'kind.failed')).not.toEqual([]);
    const text = JSON.stringify(told(from, 'kind.failed'));
    expect(text).toContain('a record of book, written in version 1 of its data, cannot be lifted');
    expect(text).not.toContain('emma');
  });

  test('is pulled as it is stored, and is told once a request', async () => {
    const other = (entity: string) => ({
      ...putBook(broken),
      payload: { id: entity, fields: broken },
    });
    const tenant = await grown(putBook(broken), other('odes'), putBook(emma, {}));
    const more = await grown(putBook(broken), other('odes'), other('idylls'));
    const from = next.logLines.length;
    expect(await shown(more)).toEqual([broken, broken, broken]);
    expect(told(from, 'record.not-lifted')).toHaveLength(1);
    expect(await shown(tenant)).toEqual([{ title: 'Emma', copies: 1 }, broken]);
  });

  test('of a version that this server does not know yet is no other', async () => {
    const tenant = await grown(putBook(emma));
    expect(await statuses(tenant, patchBook({ copies: 2 }))).toEqual(['applied']);
    const { results, failed } = await first.push([patchBook({ label: 'x' })], {}, tenant.sender());
    expect(failed).toMatchObject([{ code: 'KIND_FAILED', fault: 'server' }]);
    expect(results).toHaveLength(1);
    const { changes } = await first.pull({}, tenant.sender());
    expect(changes).toMatchObject([{ data: { title: 'Emma', copies: 2 } }]);
    const late = putBook({ label: 'Late' }, { occurredAt: '2020-01-01T00:00:00Z' });
    const again = await first.push([late], {}, tenant.sender());
    expect(again.failed).toMatchObject([{ code: 'KIND_FAILED' }]);
  });

  test('can be met by a conflict, which is shown with it as it is stored and can be discarded', async () => {
    const tenant = await grown(putBook({ label: 'Ema' }), putBook(emma));
    const stale = send('book.change', { fields: { title: 'Mine', copies: 1 } }, { baseVersion: 1 });
    await tenant.push([stale]);
    // The conflict has stored the record in the newest version.
    const change = `data = '{"label":"unreadable"}', data_version = 1`;
    await next.sql(`UPDATE records SET ${change} WHERE ${ofTenant}`, [tenant.id]);
    const url = '/api/sync/conflicts';
    const sender = tenant.sender();
    const { status, body } = await next.request({ url, sender });
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { conflicts: [{ current: { data: broken } }] },
    });
    const resolve = (resolution: string) =>
      next.request({
        ...{ method: 'POST', url: `${url}/${stale.identityKey}/resolution` },
        ...{ sender, body: { resolution } },
      });
    expect((await resolve('force')).body).toMatchObject({ failure: 'KIND_FAILED' });
    expect((await resolve('discard')).status).toBe(200);
    const again = await tenant.push([stale]);
    expect(again.failed).toMatchObject([{ code: 'CONFLICT', current: { data: broken } }]);
  });
});
