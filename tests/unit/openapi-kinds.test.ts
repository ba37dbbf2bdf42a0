import { bundledKinds } from '../../src/systems/bundled.ts';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineKind, type Kind } from '../../src/domain/kinds/define-kind.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import { create } from '../../src/domain/kinds/policies/create.ts';
import { patch } from '../../src/domain/kinds/policies/patch.ts';
import { put } from '../../src/domain/kinds/policies/put.ts';
import { strict } from '../../src/domain/kinds/policies/strict.ts';
import { createRegistry } from '../../src/domain/kinds/registry.ts';
import { buildDocument } from '../../src/http/openapi/document.ts';
import { selectExamples, readExamples } from '../../src/http/openapi/examples.ts';
import { makeSample } from '../../src/http/openapi/sample.ts';
import { identifierSchema } from '../../src/domain/identifier.ts';
import { personPut, stepPut } from './support/kinds.ts';

const book = { entityType: 'book', entityId: ({ bookId }: { bookId: string }) => bookId };
const bookAdd = defineKind({
  ...{ name: 'book.add', ...book },
  payload: payload(
    z.strictObject({
      bookId: identifierSchema,
      isbn: z.string().regex(/^\d{13}$/),
      bought: z.iso.datetime(),
      shelf: z.object({ floor: z.int().min(3), side: z.enum(['left', 'right']) }),
      languages: z.array(z.string().length(2)).min(1),
      price: z.union([z.number().positive(), z.null()]),
      note: z.string().optional(),
    }),
  ),
  policy: create(({ isbn }) => ({ isbn })),
});
const bookChange = defineKind({
  ...{ name: 'book.change', ...book },
  payload: payload(
    z
      .strictObject({ bookId: identifierSchema, title: z.string().optional() })
      .refine(({ title }) => title !== undefined, 'name a field to change'),
  ),
  policy: strict(patch(({ title = '' }) => ({ title }))),
});
/** No generated text matches this pattern, so the schema has an example. */
const bookTag = defineKind({
  ...{ name: 'book.tag', ...book, entityType: 'tag' },
  payload: payload(
    z.strictObject({
      bookId: identifierSchema,
      tag: z
        .string()
        .regex(/^<[a-z]{3}>!$/)
        .meta({ examples: ['<abc>!'] }),
    }),
  ),
  policy: put(({ tag }) => ({ tag })),
});
const bookOdd = defineKind({
  ...{ name: 'book.odd', ...book, entityType: 'odd' },
  payload: payload(z.strictObject({ bookId: z.string().regex(/^<[a-z]{3}>!$/) })),
  policy: put(() => ({})),
});
const ownKinds = [bookAdd, bookChange, bookTag, bookOdd, personPut, stepPut];

const documentOf = (kinds: readonly Kind[]) => {
  const registry = createRegistry(kinds);
  return JSON.parse(JSON.stringify(buildDocument(registry, selectExamples(registry))));
};

function schemaErrors(document: { components: object }, name: string, value: unknown) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema({ $id: 'service', components: document.components });
  const validate = ajv.compile({ $ref: `service#/components/schemas/${name}` });
  return validate(value) ? [] : validate.errors;
}

const pushExamples = (document: ReturnType<typeof documentOf>) => {
  const { examples } =
    document.paths['/api/sync/events'].post.requestBody.content['application/json'];
  return Object.values<{ value: { events: { kind: string }[] } }>(examples).map(
    ({ value }) => value,
  );
};

describe('the document of a service with its own kinds', () => {
  const document = documentOf(ownKinds);

  test('shows valid events of these kinds only', () => {
    const [body, ...others] = pushExamples(document);
    expect(others).toEqual([]);
    expect(body?.events.map(({ kind }) => kind)).toEqual([
      ...['book.add', 'book.change', 'book.tag', 'person.put', 'step.put'],
    ]);
    expect(schemaErrors(document, 'PushRequest', body)).toEqual([]);
    expect(body?.events).toMatchObject([
      { identityKey: 'phone-1', payload: { bookId: 'book-1', note: 'note' } },
      { payload: { title: 'title' }, baseVersion: 1 },
      { payload: { tag: '<abc>!' } },
      { version: 3, payload: { first: 'first', last: 'last' } },
      { sequence: 1 },
    ]);
  });

  test('shows the resolution of a conflict with a valid payload', () => {
    const { examples } =
      document.paths['/api/sync/conflicts/{identityKey}/resolution'].post.requestBody.content[
        'application/json'
      ];
    expect(schemaErrors(document, 'ResolutionRequest', examples.merge.value)).toEqual([]);
    expect(examples.merge.value.payload).toMatchObject({ bookId: 'book-1' });
  });

  test('has neither the bundled kinds nor their dialects', () => {
    const text = JSON.stringify(document);
    for (const { name } of bundledKinds) expect(text).not.toContain(name);
    for (const word of [
      'Colony',
      'Sales',
      'Freight',
      'clientRequestId',
      '"/api/events"',
      'noteId',
    ]) {
      expect(text).not.toContain(word);
    }
  });

  test('is a valid OpenAPI 3.1 document', async () => {
    const { valid, errors } = await new Validator().validate(document);
    expect(errors ?? []).toEqual([]);
    expect(valid).toBe(true);
  });
});

test('the document of a service with the bundled kinds shows the recorded examples', () => {
  expect(selectExamples(createRegistry(bundledKinds))).toEqual(readExamples());
});

test.each([
  ['notes', ['note'], ['five events of a phone']],
  ['orders of the colony', ['structure', 'research', 'unit'], ['a bare array']],
  ['tickets', ['ticket'], []],
])(
  'the document of a service with only %s has their examples and their dialect',
  (_what, types, names) => {
    const kinds = bundledKinds.filter(({ name }) => types.includes(name.split('.')[0] ?? ''));
    const registry = createRegistry(kinds);
    const examples = selectExamples(registry);
    const recorded = Object.keys(examples.pushBody).filter(
      (name) => name in readExamples().pushBody,
    );
    expect(recorded).toEqual(names);
    const document = documentOf(kinds);
    const has = (word: string) => JSON.stringify(document).includes(word);
    expect([has('ColonyPushRequest'), has('"/api/events"'), has('FreightEvent')]).toEqual([
      ...[types.includes('research'), types.includes('ticket'), false],
    ]);
    expect(Object.keys(examples.salesBody)).toHaveLength(types.includes('ticket') ? 1 : 0);
  },
);

test.each(bundledKinds.map((kind) => [kind.name, kind] as const))(
  'makeSample makes a valid payload for the newest schema of %s',
  (_name, kind) => {
    const schema = kind.schemaOf(kind.newestVersion);
    expect(schema && schema.safeParse(makeSample(schema)).success).toBe(true);
  },
);

test.each<[what: string, schema: z.ZodType]>([
  ['has an unusual pattern', z.string().regex(/^<[a-z]{3}>!$/)],
  ['accepts nothing', z.never()],
  ['refuses every value', z.string().refine(() => false)],
  [
    'throws',
    z.string().refine(() => {
      throw new Error('a rule that fails');
    }),
  ],
])('makeSample returns undefined for a schema that %s', (_what, schema) => {
  expect(makeSample(z.object({ text: schema }))).toBeUndefined();
});

test('makeSample ends for a schema that refers to itself', () => {
  const tree = z.object({
    name: z.string(),
    get children() {
      return z.array(tree);
    },
  });
  const sample = makeSample(tree);
  expect(sample === undefined || tree.safeParse(sample).success).toBe(true);
});
