import { z } from 'zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { accept, putRecord } from '../../src/domain/kinds/decisions.ts';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { payload } from '../../src/domain/kinds/payload-versions.ts';
import { decide } from '../../src/domain/kinds/policies.ts';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { nextKey, put } from '../testkit/oracle/events.ts';
import { refusalOf } from '../testkit/oracle/refusal.ts';
import { createTenant } from '../testkit/oracle/tenant.ts';
import { startApp, type TestApp } from '../testkit/app.ts';

/** Writes shelves, which no kind is named after. */
const bookShelved = defineKind({
  name: 'book.shelved',
  entityType: 'book',
  payload: payload(z.strictObject({ id: z.string(), shelf: z.string() })),
  entityId: ({ id }) => id,
  policy: decide({
    reads: ({ shelf }) => [{ entityType: 'bookShelf', entityId: shelf }],
    decide: ({ id, shelf }) =>
      accept(
        putRecord({ entityType: 'book', entityId: id }, { shelf }),
        putRecord({ entityType: 'bookShelf', entityId: shelf }, { newest: id }),
      ),
  }),
});

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [...bundledKinds, bookShelved] });
});
afterAll(() => service.close());

const shelve = (id: string, shelf: string) => ({
  ...{ identityKey: nextKey(), kind: 'book.shelved', payload: { id, shelf } },
});

test('records of a type that only a decision writes are pulled by it, and what follows', async () => {
  const tenant = await createTenant(service);
  await tenant.push([shelve('emma', 's1'), put('n1'), shelve('dune', 's2')]);
  const first = await tenant.pull({ entityTypes: 'bookShelf', limit: 1 });
  expect(first).toMatchObject({ changes: [{ entityId: 's1', version: 1 }], hasMore: true });
  const since = first.checkpoint;
  const second = await tenant.pull({ entityTypes: 'bookShelf', limit: 1, since });
  expect(second).toMatchObject({ changes: [{ entityId: 's2', version: 3 }], hasMore: false });
  await tenant.push([shelve('odes', 's1')]);
  const third = await tenant.pull({ entityTypes: 'bookShelf', since: second.checkpoint });
  expect(third.changes).toMatchObject([
    { entityType: 'bookShelf', entityId: 's1', data: { newest: 'odes' } },
  ]);
});

test('it may stand among others', async () => {
  const tenant = await createTenant(service);
  await tenant.push([shelve('emma', 's1'), put('n1')]);
  const { changes } = await tenant.pull({ entityTypes: 'bookShelf,note' });
  expect(changes.map(({ entityType }) => entityType)).toEqual(['bookShelf', 'note']);
});

test.each(['unheard-of', 'a', 'sale.voided', 'constructor', 'resource', 'Note', 'work_order'])(
  'a type that is well formed and has no records gives an empty page: %s',
  async (entityTypes) => {
    const tenant = await createTenant(service);
    await tenant.push([put('n1')]);
    const page = await tenant.pull({ entityTypes });
    expect(page).toMatchObject({ changes: [], hasMore: false, position: 2 });
    const next = await tenant.pull({ entityTypes, since: page.checkpoint });
    expect(next).toMatchObject({ changes: [], checkpoint: page.checkpoint });
  },
);

test.each([
  '',
  ',',
  ',,',
  'note,',
  ',note',
  'note/page',
  '_note',
  'a'.repeat(101),
  '1',
  'note;doc',
  'n\u{f6}te',
  'note\n',
  ' ',
])('a type that is not well formed is an invalid query: %j', async (entityTypes) => {
  const url = `/api/sync/changes?${new URLSearchParams({ entityTypes }).toString()}`;
  expect(refusalOf(await service.request({ url }))).toMatchObject({
    ...{ status: 400, code: 'INVALID_QUERY', path: 'entityTypes' },
  });
});
