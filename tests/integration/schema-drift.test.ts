import { readFile } from 'node:fs/promises';
import { expect, inject, test } from 'vitest';
import { migrationsFolder } from '../../src/postgres/migrate/migrate.ts';
import { diffSchema } from '../testkit/postgres/schema-diff.ts';

const schema = await readFile(new URL('../../prisma/schema.prisma', import.meta.url), 'utf8');

const diff = (text: string) => diffSchema(inject('database'), migrationsFolder, text);

test('the migrations create the tables that schema.prisma describes', async () => {
  const { differs, text } = await diff(schema);
  expect(text).toBe('No difference detected.');
  expect(differs).toBe(false);
});

test.each([
  ['an additional column', /( +head +BigInt.*)/, '$1\n  extra String?', 'Added column `extra`'],
  ['a missing index', /@@index\(\[tenantNo, version\].*/, '', 'Removed index'],
  ['a different predicate', /"version IS NOT NULL"/, '"version > 0"', 'index'],
  ['a different type', /kindVersion +Int /, 'kindVersion BigInt ', 'Altered column `kind_version`'],
  ['a changed table name', /@@map\("instance"\)/, '@@map("instances")', 'instances'],
])('%s in schema.prisma is reported', async (_what, pattern, replacement, finding) => {
  const changed = schema.replace(pattern, replacement);
  expect(changed).not.toBe(schema);
  const { differs, text } = await diff(changed);
  expect(differs).toBe(true);
  expect(text).toContain(finding);
});
