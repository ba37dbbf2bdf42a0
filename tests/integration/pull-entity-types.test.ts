import { z } from 'zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import { accept, decide, putRecord } from '../../src/domain/kinds/policies/decide.ts';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { nextKey, putNote } from '../testkit/events/sent-events.ts';
import { expectProblem } from '../testkit/app/expect-problem.ts';
import { createTenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

/** A kind that also writes records of the type `shelf`, which no kind has as its entity type. */
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

test('a filter can name a type that only a decide kind writes', async () => {
  const tenant = await createTenant(service);
  await tenant.push([shelve('emma', 's1'), putNote('n1'), shelve('dune', 's2')]);
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

test('a filter can name such a type among others', async () => {
  const tenant = await createTenant(service);
  await tenant.push([shelve('emma', 's1'), putNote('n1')]);
  const { changes } = await tenant.pull({ entityTypes: 'bookShelf,note' });
  expect(changes.map(({ entityType }) => entityType)).toEqual(['bookShelf', 'note']);
});

test.each(['unheard-of', 'a', 'sale.voided', 'constructor', 'resource', 'Note', 'work_order'])(
  'a valid type without records gives an empty page: %s',
  async (entityTypes) => {
    const tenant = await createTenant(service);
    await tenant.push([putNote('n1')]);
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
])('an invalid type is an invalid query: %j', async (entityTypes) => {
  const url = `/api/sync/changes?${new URLSearchParams({ entityTypes }).toString()}`;
  expect(expectProblem(await service.request({ url }))).toMatchObject({
    ...{ status: 400, code: 'INVALID_QUERY', path: 'entityTypes' },
  });
});
