import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { stringLiteralsOf } from '../testkit/repository/string-literals.ts';

const src = new URL('../../src/', import.meta.url);

const statement =
  /^\s*(SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|CREATE|ALTER|DROP|TRUNCATE|LOCK|SET)\s/;
const inLowerCase =
  /^\s*(select\s.*\sfrom|insert\s+into|update\s+\S+\s+set|delete\s+from|with\s+\S+\s+as)\s/is;
const transaction =
  /^\s*(BEGIN|START TRANSACTION|COMMIT|ROLLBACK|SAVEPOINT)\s*(;|$|(TO|TRANSACTION|WORK|ISOLATION|READ|PREPARED)\b)/;

function isSql(text: string): boolean {
  return [statement, inLowerCase, transaction].some((pattern) => pattern.test(text));
}

test.each([
  'SELECT 1',
  '\n  WITH page AS (SELECT 1) SELECT * FROM page',
  "update records set data = '{}'",
  'ROLLBACK TO SAVEPOINT a',
])('%j counts as SQL', (text) => expect(isSql(text)).toBe(true));

test.each(['COMMIT answered ROLLBACK', 'With CONFLICT: the record that won', 'COMMIT_UNKNOWN'])(
  '%j is no SQL',
  (text) => expect(isSql(text)).toBe(false),
);

test('SQL stands in files named *.sql.ts, and in what applies the migrations', () => {
  const files = globSync('**/*.ts', {
    cwd: src,
    exclude: ['generated/**', '**/*.sql.ts', 'postgres/migrate/**'],
  });
  const found = files.flatMap((file) =>
    stringLiteralsOf(file, readFileSync(new URL(file, src), 'utf8'))
      .filter(isSql)
      .map((text) => `${file}: ${text}`),
  );
  expect(found).toEqual([]);
});
