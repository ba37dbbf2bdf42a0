import { z } from 'zod';
import { findDatabaseUrlProblem } from '../database-url.ts';
import { nonEmptyText } from './schemas.ts';
import { optionalSetting, setting } from './setting.ts';

const postgresUrl = z.string().superRefine((text, context) => {
  const problem = findDatabaseUrlProblem(text);
  if (problem !== undefined) context.addIssue(problem);
});

/** What the service and every command need to reach the database. */
export const databaseSettings = {
  databaseUrl: optionalSetting({
    variable: 'DATABASE_URL',
    schema: postgresUrl,
    whenUnset: undefined,
    example: 'postgresql://landfall:secret@127.0.0.1:5432/landfall',
    summary: 'The database, and the login that serves tenants. Production needs it.',
    details:
      'A transaction pooler may stand in front of it. Without it, development starts an embedded ' +
      "PostgreSQL. See [The database's roles](operations.md#the-databases-roles).",
  }),
  directDatabaseUrl: optionalSetting({
    variable: 'DIRECT_DATABASE_URL',
    schema: postgresUrl,
    whenUnset: undefined,
    defaultText: '`DATABASE_URL`',
    example: 'postgresql://owner:secret@127.0.0.1:5432/landfall',
    summary: 'The same database with the login of the owner of the tables, without a pooler.',
    details:
      'Migrations, retention and the removal of tenants use it. Set it when the login of `DATABASE_URL` ' +
      'does not own the tables, or when `DATABASE_URL` leads to a transaction pooler.',
  }),
  preparedStatements: setting({
    variable: 'PREPARED_STATEMENTS',
    schema: z.enum(['on', 'off']).transform((value) => value === 'on'),
    default: 'on',
    summary: 'Whether the service uses named prepared statements: `on` or `off`.',
    details:
      'Set `off` behind a transaction pooler that does not keep named statements: pgbouncer before 1.21, ' +
      'or pgbouncer with `max_prepared_statements = 0`. PostgreSQL then plans every statement anew.',
  }),
  dataDir: setting({
    variable: 'DATA_DIR',
    schema: nonEmptyText,
    default: '.data',
    summary: 'The folder where development keeps its database and its secret.',
    details:
      'When the user is root, the embedded database runs as the user `nobody`. When `nobody` cannot reach ' +
      'this folder, the data of the database is under `/var/lib/landfall`, and `DATA_DIR/pg` is a ' +
      'link to it.',
  }),
};
