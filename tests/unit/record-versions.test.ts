import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineKind, type KindDefinition } from '../../src/domain/kinds/define-kind.ts';
import { type EntityType, entityType, recordData } from '../../src/domain/kinds/record-versions.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import { put } from '../../src/domain/kinds/policies/put.ts';
import { liftState } from '../../src/domain/decide/tenant-draft.ts';
import { RecordLifter, liftForReader } from '../../src/domain/kinds/record-versions.ts';
import { createRegistry } from '../../src/domain/kinds/registry.ts';
import type { RecordState, Stamp } from '../../src/domain/record.ts';

const v1 = z.strictObject({ label: z.string(), note: z.string().optional() });
const v2 = z.strictObject({ title: z.string(), note: z.string().optional() });
const v3 = v2.extend({ copies: z.int().min(0) });
const book = entityType(
  'book',
  recordData(v1)
    .next(v2, ({ label, note }) => {
      if (label === 'unreadable') throw new Error('this label cannot be read');
      return { title: label, note };
    })
    .next(v3, (older) => ({ ...older, copies: older.title === 'none' ? -1 : 1 })),
);
const lifter = new RecordLifter(new Map([['book', book]]));

const recordOf = (data: object | null, dataVersion = 1, rest: Partial<RecordState> = {}) =>
  ({
    ...{ entityType: 'book', entityId: 'emma', version: 4, deleted: false, dataVersion },
    data: data && JSON.stringify(data),
    ...{ originKey: 'k', originKind: 'book.put', originDevice: null, originAt: 1 },
    ...{ createdAt: 1, updatedAt: 1, clock: {}, sequence: null, lastEvent: 4 },
    ...rest,
  }) satisfies RecordState;
const dataOf = (record: RecordState) => {
  const lifted = lifter.lift(record);
  if (!lifted.ok) throw lifted.fault;
  return [lifted.dataVersion, lifted.data && JSON.parse(lifted.data)] as const;
};

describe('a record', () => {
  test.each([
    [1, { label: 'Emma' }],
    [2, { title: 'Emma' }],
    [3, { title: 'Emma', copies: 1 }],
  ])('of version %i is converted to the newest version', (dataVersion, data) => {
    expect(dataOf(recordOf(data, dataVersion))).toEqual([3, { title: 'Emma', copies: 1 }]);
  });

  test('is converted to canonical JSON, so that equal records have equal texts', () => {
    const lifted = lifter.lift(recordOf({ note: 'n', label: 'Emma' }));
    expect(lifted).toMatchObject({ data: '{"copies":1,"note":"n","title":"Emma"}' });
  });

  test('of which only the delete is known has the newest version', () => {
    expect(dataOf(recordOf(null))).toEqual([3, null]);
    expect(dataOf(recordOf(null, 9))).toEqual([3, null]);
  });

  test('under a tombstone is converted too', () => {
    expect(dataOf(recordOf({ label: 'Emma' }, 1, { deleted: true }))[1]).toHaveProperty('title');
  });

  test('of an entity type without versions has the newest version', () => {
    const record = recordOf({ a: 1 }, 1, { entityType: 'shelf' });
    expect(lifter.isNewest(record)).toBe(true);
    expect(liftForReader(lifter, () => {})(record)).toBe(record);
  });

  test.each<[string, object, number, RegExp]>([
    ['its upcast throws', { label: 'unreadable' }, 1, /this label cannot be read/],
    [
      'the schema of its version refuses it',
      { label: 'Emma', secret: 1 },
      1,
      /has an unknown field/,
    ],
    ['the schema of the next version refuses it', { title: 'none' }, 2, /copies: Too small/],
    ['its version is newer than the kinds', { title: 'Emma' }, 4, /knows version 3 and older/],
  ])(
    'cannot be converted if %s, and the error names none of its fields',
    (_w, data, version, why) => {
      const lifted = lifter.lift(recordOf(data, version));
      if (lifted.ok) throw new Error('it was lifted');
      expect(lifted.fault.message).toMatch(`a record of book, written in version ${version}`);
      expect(String(lifted.fault.cause)).toMatch(why);
      expect(String(lifted.fault.cause) + lifted.fault.message).not.toMatch(/secret|emma/);
    },
  );

  test('of an entity type that no longer has versions cannot be converted from a later version', () => {
    const lifted = lifter.lift(recordOf({}, 2, { entityType: 'shelf' }));
    expect(lifted).toMatchObject({ ok: false, fault: { cause: expect.any(Error) } });
  });

  test('that cannot be converted is shown as it is stored, and the first one of a page is reported', () => {
    const faults: Error[] = [];
    const show = liftForReader(lifter, (fault) => faults.push(fault));
    const records = [
      { label: 'unreadable' },
      { label: 'Emma' },
      { label: 'unreadable', note: '' },
    ].map((data) => recordOf(data));
    const [first, second, third] = records.map(show);
    expect([first, third]).toEqual([records[0], records[2]]);
    expect(second).toMatchObject({ dataVersion: 3, data: '{"copies":1,"title":"Emma"}' });
    expect(faults).toHaveLength(1);
  });
});

describe('the stamps of a record that is converted', () => {
  const early: Stamp = [10, 'a'];
  const late: Stamp = [20, 'b'];
  const clockOf = (fields: { readonly [name: string]: Stamp }, data: object, dataVersion = 1) =>
    liftState(recordOf(data, dataVersion, { clock: { put: [1, 'p'], fields } }), lifter).state
      .clock;

  test('are given to the new field if a field disappears and another one appears', () => {
    const clock = clockOf({ label: late, note: early }, { label: 'Emma', note: '' });
    expect(clock).toEqual({ put: [1, 'p'], fields: { title: late, note: early } });
  });

  test('stay if no field disappears', () => {
    const clock = clockOf({ title: late }, { title: 'Emma' }, 2);
    expect(clock).toEqual({ put: [1, 'p'], fields: { title: late } });
  });

  test('stay if a field disappears and none appears, because they tell that the record is alive', () => {
    const shorter = entityType(
      'book',
      recordData(v1).next(v1.omit({ note: true }), ({ label }) => ({ label })),
    );
    const shortening = new RecordLifter(new Map([['book', shorter]]));
    const clock = { put: early, remove: [15, 'r'] as const, fields: { note: late } };
    const record = recordOf({ label: 'Emma', note: 'n' }, 1, { clock });
    expect(liftState(record, shortening).state).toMatchObject({ clock, data: '{"label":"Emma"}' });
  });

  test('of all new fields are the newest stamp of the fields that disappeared', () => {
    const wide = z.strictObject({ first: z.string(), last: z.string() });
    const split = entityType(
      'book',
      recordData(wide).next(
        z.strictObject({ name: z.string(), initials: z.string() }),
        (older) => ({
          name: `${older.first} ${older.last}`,
          initials: 'JA',
        }),
      ),
    );
    const record = recordOf({ first: 'Jane', last: 'Austen' }, 1, {
      clock: { put: [1, 'p'], fields: { first: late, last: early } },
    });
    const { clock } = liftState(record, new RecordLifter(new Map([['book', split]]))).state;
    expect(clock.fields).toEqual({ name: late, initials: late });
  });
});

describe('entity types', () => {
  const kind = (
    name: string,
    type: string | EntityType,
    more: Partial<KindDefinition<object>> = {},
  ) =>
    defineKind<object>({
      name,
      entityType: type,
      payload: payload(z.object({})),
      entityId: () => 'a',
      policy: put(() => ({})),
      ...more,
    });

  test('are collected from the kinds that are about them, and from the kinds that only use them', () => {
    const stock = entityType('stock', recordData(z.object({})));
    const kinds = [
      kind('book.put', book),
      kind('loan.start', 'loan', { otherTypes: [book, stock] }),
    ];
    const registry = createRegistry(kinds);
    expect(registry.entityTypes).toEqual([book, stock]);
    expect(['book', 'stock', 'loan'].map((name) => registry.records.newestVersion(name))).toEqual([
      ...[3, 1, 1],
    ]);
  });

  test('are refused if two kinds define one differently, and the error names the kinds', () => {
    const twin = entityType('book', recordData(v1));
    for (const other of [
      kind('book.take', twin),
      kind('book.take', 'book'),
      kind('book.take', 'shelf', { otherTypes: [twin] }),
    ]) {
      for (const kinds of [
        [kind('book.put', book), other],
        [other, kind('book.put', book)],
      ]) {
        expect(() => createRegistry(kinds)).toThrow(
          /book\.(put|take) and book\.(put|take) define the entity type book in two ways/,
        );
      }
    }
  });

  test('are refused if their name or their data is invalid', () => {
    expect(() => entityType('a book', recordData(v1))).toThrow('"a book" must be an entity type');
    const wrong = v1 as unknown as Parameters<typeof entityType>[1];
    expect(() => entityType('book', wrong)).toThrow('entity type book: its data is not made by');
  });
});
