import { describe, expect, test } from 'vitest';
import { differingFields } from '../../src/domain/kinds/policies/intent-rules.ts';
import { append } from '../../src/domain/kinds/policies/append.ts';
import { create } from '../../src/domain/kinds/policies/create.ts';
import {
  accept,
  decide,
  patchRecord,
  putRecord,
  removeRecord,
} from '../../src/domain/kinds/policies/decide.ts';
import { patch } from '../../src/domain/kinds/policies/patch.ts';
import type { Policy } from '../../src/domain/kinds/policies/policy.ts';
import { put } from '../../src/domain/kinds/policies/put.ts';
import { remove } from '../../src/domain/kinds/policies/remove.ts';
import { strict } from '../../src/domain/kinds/policies/strict.ts';
import type { EventContext, Fields } from '../../src/domain/kinds/intent.ts';

interface Move {
  readonly id: string;
  readonly by: number;
}
const move: Move = { id: 'm1', by: 2 };
const fieldsOf = ({ by }: Move): Fields => ({ by });
const summed = append<Move>((before, { by }) => ({ sum: Number(before?.sum ?? 0) + by }));
const decided = decide<Move>({
  reads: ({ id }) => [{ entityType: 'seen', entityId: id }],
  decide: ({ by }, records) =>
    accept(
      putRecord({ entityType: 'own', entityId: 'o' }, { by, ...records.find('seen', 'm1')?.data }),
    ),
});
const context: EventContext = {
  tenantId: 't1',
  identityKey: 'k1',
  deviceId: null,
  subject: null,
  effectiveAtMs: 1,
  receivedAtMs: 2,
};

test.each<[string, Policy<Move>, string, string]>([
  ['put', put(fieldsOf), 'last-write-wins', 'optional'],
  ['patch', patch(fieldsOf), 'last-write-wins', 'optional'],
  ['remove', remove(), 'last-write-wins', 'optional'],
  ['create', create(fieldsOf), 'last-write-wins', 'absent'],
  ['append', summed, 'append', 'optional'],
  ['decide', decided, 'decide', 'optional'],
  ['strict put', strict(put(fieldsOf)), 'last-write-wins', 'required'],
  ['strict append', strict(summed), 'append', 'required'],
  ['strict decide', strict(decided), 'decide', 'required'],
])('%s has its family and its precondition', (_name, policy, family, precondition) => {
  expect({ family: policy.family, precondition: policy.precondition }).toEqual({
    family,
    precondition,
  });
});

test('strict does not change the policy that it is given', () => {
  const lenient = put(fieldsOf);
  strict(lenient);
  expect(lenient.precondition).toBe('optional');
});

test('strict makes the same intent as its policy, and create makes a put', () => {
  expect(strict(patch(fieldsOf))(move)).toEqual({ policy: 'patch', fields: { by: 2 } });
  expect(strict(remove())(move)).toEqual({ policy: 'remove' });
  expect(create(fieldsOf)(move)).toEqual({ policy: 'put', fields: { by: 2 } });
});

test('append folds its fact into the data of the record, or into no data', () => {
  const intent = summed(move);
  if (intent.policy !== 'append') throw new Error(intent.policy);
  expect(intent.fold(undefined, context)).toEqual({ sum: 2 });
  expect(intent.fold({ sum: 5 }, context)).toEqual({ sum: 7 });
});

test('decide names its records by the payload, and decides by their data', () => {
  const intent = decided(move);
  if (intent.policy !== 'decide') throw new Error(intent.policy);
  expect(intent.reads).toEqual([{ entityType: 'seen', entityId: 'm1' }]);
  const seen = { entityType: 'seen', entityId: 'm1', version: 1, data: { was: 1 }, updatedAtMs: 0 };
  expect(intent.decide({ find: () => seen }, context)).toEqual({
    accepted: true,
    writes: [
      { entityType: 'own', entityId: 'o', write: { policy: 'put', fields: { by: 2, was: 1 } } },
    ],
  });
});

test('a write contains only the entity of the record that it is made from', () => {
  const view = { entityType: 'a', entityId: 'b', version: 1, data: {}, updatedAtMs: 0 };
  expect([putRecord(view, { c: 1 }), patchRecord(view, { c: 1 }), removeRecord(view)]).toEqual([
    { entityType: 'a', entityId: 'b', write: { policy: 'put', fields: { c: 1 } } },
    { entityType: 'a', entityId: 'b', write: { policy: 'patch', fields: { c: 1 } } },
    { entityType: 'a', entityId: 'b', write: { policy: 'remove' } },
  ]);
});

describe('the fields in which an edit differs from the record', () => {
  const current = { a: 1, b: { c: [1, 2] }, d: 'x' };

  test.each<[string, Fields, readonly string[]]>([
    ['the same fields', { d: 'x', b: { c: [1, 2] }, a: 1 }, []],
    ['a missing field', { a: 1, b: { c: [1, 2] } }, ['d']],
    ['a new field', { ...current, e: null }, ['e']],
    ['a field that changed at depth', { ...current, b: { c: [2, 1] } }, ['b']],
    ['other fields only', { z: 1 }, ['a', 'b', 'd', 'z']],
  ])('of a put with %s', (_which, fields, names) => {
    expect(differingFields({ policy: 'put', fields }, current).fields).toEqual(names);
  });

  test('of a patch are fields that it names', () => {
    const fields = { d: 'y', a: 1, e: 1 };
    expect(differingFields({ policy: 'patch', fields }, current).fields).toEqual(['d', 'e']);
  });

  test('are all fields that it names if there is no record', () => {
    expect(differingFields({ policy: 'put', fields: { b: 1, a: 1 } }, null).fields).toEqual([
      'a',
      'b',
    ]);
  });

  test('may have names that every object inherits', () => {
    const fields = { constructor: 'c', toString: 't' };
    expect(differingFields({ policy: 'put', fields }, {}).fields).toEqual([
      'constructor',
      'toString',
    ]);
    expect(differingFields({ policy: 'put', fields: {} }, fields).fields).toEqual([
      'constructor',
      'toString',
    ]);
  });

  test('of a policy that names no fields are none', () => {
    expect(differingFields({ policy: 'remove' }, current).fields).toEqual([]);
    expect(differingFields(summed(move), current).fields).toEqual([]);
    expect(differingFields(decided(move), current).fields).toEqual([]);
  });

  test('are named up to a hundred, and the other ones are counted', () => {
    const many = (length: number, value: number) =>
      Object.fromEntries(Array.from({ length }, (_, at) => [`f${at}`, value]));
    const all = { fields: expect.toSatisfy((names) => names.length === 100), omitted: 7_800 };
    expect(differingFields({ policy: 'put', fields: many(7_900, 1) }, many(7_900, 2))).toEqual(all);
    expect(differingFields({ policy: 'patch', fields: many(7_900, 1) }, null)).toEqual(all);
    expect(differingFields({ policy: 'put', fields: {} }, many(7_900, 2))).toEqual(all);
    const hundred = differingFields({ policy: 'put', fields: many(100, 1) }, many(100, 2));
    expect(hundred).toMatchObject({ omitted: 0, fields: Object.keys(many(100, 1)).toSorted() });
  });

  test('are none if values of any type are equal', () => {
    const values = { a: null, b: 0, c: '', d: [], e: {}, f: [{ g: [1] }] };
    expect(differingFields({ policy: 'put', fields: values }, structuredClone(values))).toEqual({
      ...{ fields: [], omitted: 0 },
    });
    const others = { a: 0, b: '', c: null, d: {}, e: [], f: [{ g: ['1'] }] };
    expect(differingFields({ policy: 'patch', fields: values }, others).fields).toEqual(
      Object.keys(values),
    );
  });
});
