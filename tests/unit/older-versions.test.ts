import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import { patch } from '../../src/domain/kinds/policies/patch.ts';
import { put } from '../../src/domain/kinds/policies/put.ts';
import { strict } from '../../src/domain/kinds/policies/strict.ts';
import { rehearse } from '../../src/testing/rehearse.ts';

const id = { id: z.string() };
const v1 = z.strictObject({ ...id, title: z.string() });
const v2 = v1.extend({ copies: z.int() });
const v3 = v2.extend({ shelf: z.string().optional() });
const versions = payload(v1)
  .next(v2, (older) => ({ ...older, copies: 1 }))
  .next(v3, (older) => older);
const entityId = (book: { readonly id: string }) => book.id;
const fieldsOf = ({ id: _id, ...fields }: z.infer<typeof v3>) => ({
  ...fields,
  shelf: fields.shelf ?? 'none',
});
const book = { entityType: 'book', payload: versions, entityId };
const bookPut = defineKind({ ...book, name: 'book.put', policy: put(fieldsOf) });
const bookPatch = defineKind({ ...book, name: 'book.patch', policy: patch(fieldsOf) });
const bookSet = defineKind({
  ...book,
  name: 'book.set',
  policy: strict(put(fieldsOf)),
  resolve: ({ data }, incoming) => ({ ...data, ...incoming }),
});
const kinds = [bookPut, bookPatch, bookSet];

let made = 0;
function sent(kind: string, version: number, content: object, day: number, rest: object = {}) {
  made += 1;
  return {
    ...{ identityKey: `k${made}`, kind, version, payload: { id: 'emma', ...content } },
    ...{ occurredAt: `2025-12-0${day}T00:00:00Z`, ...rest },
  };
}

/** Each event from a device of its own. */
function dataAfter(...events: readonly object[]) {
  const { records, answers } = rehearse(
    kinds,
    events.map((event, at) => ({ events: [event], deviceId: `d${at}` })),
  );
  expect(answers.flatMap(({ failed }) => failed)).toEqual([]);
  return records[0]?.data;
}

const newest = sent('book.put', 3, { title: 'Emma', copies: 7, shelf: 'A' }, 2);

describe('an event of a payload version that does not know a field', () => {
  test.each([
    ['a put', 'book.put', {}],
    ['a patch', 'book.patch', {}],
    ['a merge', 'book.set', { baseVersion: 0 }],
  ])('does not change the field: %s', (_what, kind, rest) => {
    const old = sent(kind, 1, { title: 'Emma!' }, 3, rest);
    expect(dataAfter(newest, old)).toEqual({ title: 'Emma!', copies: 7, shelf: 'A' });
    const newer = sent(kind, 2, { title: 'Emma?', copies: 8 }, 4, rest);
    expect(dataAfter(newest, old, newer)).toEqual({ title: 'Emma?', copies: 8, shelf: 'A' });
  });

  test('writes the value of its upcast if there is no record', () => {
    const first = sent('book.put', 1, { title: 'Emma' }, 3);
    expect(dataAfter(first)).toEqual({ title: 'Emma', copies: 1, shelf: 'none' });
  });

  test.each(['book.put', 'book.patch'])(
    'loses with that value to every event that knows the field, even to an earlier one: %s',
    (kind) => {
      const first = sent('book.put', 1, { title: 'Emma' }, 3);
      const late = sent(kind, 3, { title: 'old', copies: 7, shelf: 'A' }, 2);
      expect(dataAfter(first, late)).toEqual({ title: 'Emma', copies: 7, shelf: 'A' });
      expect(dataAfter(late.kind === 'book.put' ? late : newest, first)).toEqual({
        title: 'Emma',
        copies: 7,
        shelf: 'A',
      });
    },
  );

  test('is a noop on an old base if only that field differs, and a conflict does not name that field', () => {
    const one = { events: [newest], deviceId: 'a' };
    const same = sent('book.put', 1, { title: 'Emma' }, 3, { baseVersion: 0 });
    const other = sent('book.put', 1, { title: 'Eva' }, 3, { baseVersion: 0 });
    const { answers } = rehearse(kinds, [one, { events: [same, other], deviceId: 'b' }]);
    expect(answers[1]?.results).toMatchObject([{ status: 'noop' }, { code: 'CONFLICT' }]);
    expect(answers[1]?.failed).toMatchObject([{ differingFields: ['title'] }]);
  });
});

test('a renamed field is not a new field, and a kind can state the new fields of a version itself', () => {
  const a = z.strictObject({ ...id, name: z.string() });
  const b = z.strictObject({ ...id, title: z.string(), copies: z.int(), upper: z.string() });
  const up = ({ name, ...older }: z.infer<typeof a>) => ({
    ...{ ...older, title: name, copies: 1, upper: name.toUpperCase() },
  });
  const renamed = payload(a).next(b, up, { adds: ['copies'] });
  expect(payload(a).next(b, up).unknownTo(1)).toEqual([]);
  expect(renamed.unknownTo(1)).toEqual(['copies']);
  expect(renamed.unknownTo(2)).toEqual([]);
  const kind = defineKind({
    ...{ name: 'book.put', entityType: 'book', payload: renamed, entityId },
    policy: put(({ id: _id, ...fields }) => fields),
  });
  const events = [
    sent('book.put', 2, { title: 'Emma', copies: 7, upper: 'EMMA' }, 2),
    sent('book.put', 1, { name: 'Eva' }, 3),
  ];
  const { records } = rehearse([kind], [{ events }]);
  expect(records[0]?.data).toEqual({ title: 'Eva', copies: 7, upper: 'EVA' });
});
