import { bundledKinds } from '../../src/systems/bundled.ts';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { entityType, recordData } from '../../src/domain/kinds/record-versions.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import { put } from '../../src/domain/kinds/policies/put.ts';
import { describeDifferences } from '../../src/domain/kinds/shipped-schemas.ts';
import { createRegistry } from '../../src/domain/kinds/registry.ts';
import { listSchemas } from '../../src/domain/kinds/shipped-schemas.ts';

const kindOf = (schema: z.ZodType) =>
  defineKind({
    name: 'task.put',
    entityType: 'task',
    payload: payload(schema),
    entityId: () => 'a',
    policy: put(() => ({})),
  });
const fingerprintOf = (schema: z.ZodType) =>
  listSchemas(createRegistry([kindOf(schema)])).map(({ fingerprint }) =>
    fingerprint.toString('hex'),
  );
const task = z.strictObject({ id: z.string(), title: z.string().max(300) });

describe('the fingerprint of a schema', () => {
  test.each([
    ['the same schema', z.strictObject({ id: z.string(), title: z.string().max(300) })],
    ['fields in another order', z.strictObject({ title: z.string().max(300), id: z.string() })],
    ['descriptions of the schema', task.describe('a task').meta({ title: 'Task', examples: [] })],
    ['a description of a field', task.extend({ id: z.string().describe('the id') })],
    ['a check in code, which JSON Schema does not contain', task.refine(() => true)],
  ])('stays the same for %s', (_what, schema) => {
    expect(fingerprintOf(schema)).toEqual(fingerprintOf(task));
  });

  test.each([
    ['an additional field', task.extend({ done: z.boolean().optional() })],
    ['a missing field', task.omit({ title: true })],
    ['an optional field', task.partial({ title: true })],
    ['another maximum', task.extend({ title: z.string().max(200) })],
    ['another type', task.extend({ title: z.int() })],
    ['unknown fields', z.looseObject(task.shape)],
    ['another default', task.extend({ title: z.string().max(300).default('') })],
    ['a field named description', task.extend({ description: z.string() })],
  ])('changes for %s', (_what, schema) => {
    expect(fingerprintOf(schema)).not.toEqual(fingerprintOf(task));
  });
});

test('every version of a payload and of a record has a fingerprint, even if JSON Schema cannot express it', () => {
  const book = entityType(
    'book',
    recordData(task).next(z.object({ name: z.string() }), () => ({ name: '' })),
  );
  const kinds = [
    defineKind({
      name: 'book.put',
      entityType: book,
      payload: payload(z.object({ at: z.date(), big: z.bigint() })).next(task, () => ({
        id: '',
        title: '',
      })),
      entityId: () => 'a',
      policy: put(() => ({})),
    }),
  ];
  const shipped = listSchemas(createRegistry(kinds));
  expect(shipped.map(({ schemaOf, name, version }) => [schemaOf, name, version])).toEqual([
    ['payload', 'book.put', 1],
    ['payload', 'book.put', 2],
    ['record', 'book', 1],
    ['record', 'book', 2],
  ]);
  expect(listSchemas(createRegistry(bundledKinds)).length).toBeGreaterThan(20);
});

test.each([
  [{ a: { max: 300 } }, { a: { max: 200 } }, 'a.max was 300, is 200'],
  [{ a: 1 }, { b: 1 }, 'a was 1, is not there; b was not there, is 1'],
  [{ required: ['a', 'b'] }, { required: ['a'] }, 'required.1 was "b", is not there'],
  [{ constructor: 1 }, {}, 'constructor was 1, is not there'],
  [
    { a: 1, b: 1, c: 1, d: 1, e: 1 },
    {},
    'a was 1, is not there; b was 1, is not there; c was 1, is not there; 2 more',
  ],
  [{ a: 'x'.repeat(99) }, { a: { b: 1 } }, `a was "${'x'.repeat(59)}…, is {"b":1}`],
  ['a', 'b', 'the schema was "a", is "b"'],
  [{ a: [1] }, { a: [1] }, ''],
])('the differences of %j and %j are described by their paths', (before, after, text) => {
  expect(describeDifferences(before, after)).toBe(text);
});
