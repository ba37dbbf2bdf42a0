import { expect, test } from 'vitest';
import { findDatabaseUrlProblem } from '../../src/config/database-url.ts';
import { refusal } from './support/config-refusal.ts';

test.each([
  'postgresql://localhost/landfall',
  'postgres://app:secret@db:5432/landfall?sslmode=require',
  'postgresql://app@localhost/landfall?host=/var/run/postgresql',
  'postgresql://localhost/landfall?user=app@example',
  'postgresql:///landfall?host=/var/run/postgresql',
  'postgresql://app:p%2Fa%3Fs%23s%40%25@db/landfall',
  'postgresql://app:p@ss@db/landfall',
  'postgresql://app:geheim%C3%A9@[::1]:5432/landfall',
])('%s is accepted', (url) => {
  expect(findDatabaseUrlProblem(url)).toBeUndefined();
});

test.each(['/', '?', '#', '1/', '1?', '1#', '12/34', '%', '%zz', 'a%'])(
  'a password with an unescaped %j is refused, and the message says how to escape it',
  (part) => {
    const problem = findDatabaseUrlProblem(`postgresql://app:${part}secret@db:5432/landfall`);
    expect(problem).toMatch(
      /^cannot be read.* write \/ as %2F, \? as %3F, # as %23, @ as %40, % as %25$/,
    );
    expect(problem).not.toContain('secret');
  },
);

test.each(['', ' ', 'localhost', 'db:5432/landfall', 'mysql://db/landfall', 'http://db', '//db/x'])(
  '%j is refused because it is not a PostgreSQL URL',
  (url) => {
    expect(findDatabaseUrlProblem(url)).toBe('must be a URL that begins with postgresql://');
  },
);

test('a wrong port is refused with the range of ports', () => {
  for (const PORT of ['65536', '99999', '-1', '80.5', 'http', '0x50', '1e3', '  ']) {
    expect(refusal({ PORT })).toBe('PORT: must be a port, 0 to 65535');
  }
});
