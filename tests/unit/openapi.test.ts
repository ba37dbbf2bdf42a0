import { bundledKinds } from '../../src/systems/bundled.ts';
import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { generatedFiles } from '../../src/cli/generated-files.ts';
import { eventFailures, requestProblems } from '../../src/domain/errors.ts';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import { remove } from '../../src/domain/kinds/policies/remove.ts';
import { createRegistry } from '../../src/domain/kinds/registry.ts';
import { buildDocument } from '../../src/http/openapi/document.ts';
import { type Examples, readExamples } from '../../src/http/openapi/examples.ts';
import { openapi, schemaErrors } from '../testkit/app/openapi-conformance.ts';

const projectFile = (path: string) =>
  readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const recorded = readExamples();

test.each([...generatedFiles()])('%s is what `npm run openapi` prints', (path, text) => {
  expect(projectFile(path)).toBe(text);
});

test('openapi.yaml is a valid OpenAPI 3.1 document', async () => {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(structuredClone(openapi));
  expect(errors ?? []).toEqual([]);
  expect(valid).toBe(true);
  expect(validator.version).toBe('3.1');
});

test('kinds with unusual names have a valid document, and each kind has its own schemas', async () => {
  const names = ['WorkOrderUpdated', 'orders/created', 'orders:created', 'orders_created'];
  const escapes = ['orders_2fcreated', 'orders_5f2fcreated', 'orders_3acreated'];
  const kinds = [...names, ...escapes].map((name) =>
    defineKind({
      name,
      entityType: 'workOrder',
      payload: payload(z.strictObject({ id: z.literal(name) })),
      entityId: ({ id }) => id,
      policy: remove(),
    }),
  );
  const document = buildDocument(createRegistry(kinds), recorded);
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  expect(errors ?? []).toEqual([]);
  expect(valid).toBe(true);
  const schemas = JSON.stringify(Reflect.get(Object(document.components), 'schemas'));
  for (const { name } of kinds) expect(schemas).toContain(`{"type":"string","const":"${name}"}`);
});

test('openapi.yaml and docs/errors.md have every code', () => {
  const yaml = projectFile('openapi.yaml');
  const page = projectFile('docs/errors.md');
  const { failures } = createRegistry(bundledKinds);
  for (const code of Object.keys({ ...eventFailures, ...failures, ...requestProblems })) {
    expect(yaml).toMatch(new RegExp(`\\b${code}\\b`));
    expect(page).toContain(`\`${code}\``);
  }
});

const schemaOf = {
  pushBody: 'PushRequest',
  pushAnswer: 'PushAnswer',
  salesBody: 'SalesPushRequest',
  salesAnswer: 'SalesPushAnswer',
  pullAnswer: 'PullAnswer',
  conflictsAnswer: 'ConflictsAnswer',
  resolutionBody: 'ResolutionRequest',
  resolutionAnswer: 'Conflict',
  historyAnswer: 'HistoryAnswer',
  receiptsAnswer: 'ReceiptsAnswer',
  problems: 'Problem',
} as const satisfies { readonly [part in keyof Examples]: string };
const parts = Object.keys(schemaOf) as (keyof Examples)[];
const examples = parts.flatMap((part) =>
  Object.entries(recorded[part]).map(([name, value]) => {
    const schema =
      Array.isArray(value) && part === 'pushBody' ? 'ColonyPushRequest' : schemaOf[part];
    return [schema, name, value] as const;
  }),
);

test.each(examples)('the %s example "%s" matches its schema', (schema, _name, value) => {
  expect(schemaErrors(schema, value)).toEqual([]);
});

test('the event schema checks a payload by the schema of its kind', () => {
  const event = { identityKey: 'k', kind: 'note.put', payload: { noteId: 'n', title: 't' } };
  expect(schemaErrors('Event', event)).not.toEqual([]);
  expect(schemaErrors('Event', { ...event, payload: { ...event.payload, body: '' } })).toEqual([]);
});
