import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, test } from 'vitest';
import { eventFailures, requestProblems } from '../../src/errors.ts';
import { bundledKinds, createRegistry } from '../../src/kinds/registry.ts';
import { type Examples, readExamples } from '../../src/openapi/examples.ts';
import { renderFiles } from '../../src/openapi/render.ts';
import { openapi, schemaErrors } from '../setup/documented.ts';

const projectFile = (path: string) =>
  readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const printed = renderFiles(createRegistry(bundledKinds));

test.each([...printed])('%s is what `npm run openapi` prints', (path, text) => {
  expect(projectFile(path)).toBe(text);
});

test('openapi.yaml is a valid OpenAPI 3.1 document', async () => {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(structuredClone(openapi));
  expect(errors ?? []).toEqual([]);
  expect(valid).toBe(true);
  expect(validator.version).toBe('3.1');
});

test('every code of the closed table is in openapi.yaml and in docs/errors.md', () => {
  const yaml = projectFile('openapi.yaml');
  const page = projectFile('docs/errors.md');
  const { failures } = createRegistry(bundledKinds);
  for (const code of Object.keys({ ...eventFailures, ...failures, ...requestProblems })) {
    expect(yaml).toMatch(new RegExp(`\\b${code}\\b`));
    expect(page).toContain(`\`${code}\``);
  }
});

const recorded = readExamples();
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

test('a payload is checked by the schema of its kind', () => {
  const event = { identityKey: 'k', kind: 'note.put', payload: { noteId: 'n', title: 't' } };
  expect(schemaErrors('Event', event)).not.toEqual([]);
  expect(schemaErrors('Event', { ...event, payload: { ...event.payload, body: '' } })).toEqual([]);
});
