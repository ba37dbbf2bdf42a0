import { globSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { rules } from './support/architecture-rules.ts';
import { readModule } from './support/source-module.ts';

const src = new URL('../../src/', import.meta.url);
const paths = globSync('**/*.ts', { cwd: src, exclude: ['generated/**'] });
const modules = paths.map((path) =>
  readModule(path.replaceAll('\\', '/'), readFileSync(new URL(path, src), 'utf8')),
);

function violations(rule: string, sources: Readonly<Record<string, string>>): readonly string[] {
  const check = rules.get(rule);
  if (!check) throw new Error(`no rule ${rule}`);
  return check(Object.entries(sources).map(([path, source]) => readModule(path, source)));
}

describe('the source keeps the rules', () => {
  test.each([...rules])('%s', (_name, check) => {
    expect(check(modules)).toEqual([]);
  });

  test('it is the real source that is read', () => {
    const decide = modules.find(({ path }) => path === 'push/decide.ts');
    expect(decide?.imports).toContainEqual({ target: '/storage/store.ts', typeOnly: true });
    expect(decide?.imports).toContainEqual({ target: '/push/draft.ts', typeOnly: false });
    const entry = modules.find(({ path }) => path === 'server.ts');
    expect(entry?.readsEnvironment).toBe(true);
    expect(modules.find(({ path }) => path === 'index.ts')?.reExports).toBe(true);
    expect(modules.some(({ path }) => path.startsWith('storage/sql/'))).toBe(true);
  });
});

/** Rule, file, its source. */
const bad: readonly (readonly [rule: string, path: string, source: string])[] = [
  ['errors.ts imports nothing of the project', 'errors.ts', `import './protocol/json.ts';`],
  ...[
    `import { createRegistry } from '../kinds/registry.ts';`,
    `import type { Config } from '../config.ts';`,
    `import fastJson from 'fast-json-stringify';`,
  ].map((source) => [protocolRule(), 'protocol/push.ts', source] as const),
  ...[
    `import type { Config } from '../config.ts';`,
    `import type { Stamp } from '../storage/store.ts';`,
    `import { randomUUID } from 'node:crypto';`,
  ].map((source) => [kindsRule(), 'kinds/a.ts', source] as const),
  ...[
    `import type { DecodedEvent } from '../push/decode.ts';`,
    `import { createRegistry } from '../kinds/registry.ts';`,
    `import type { SyncStore } from '../storage/store.ts';`,
    `import { z } from 'zod';`,
  ].map((source) => [dialectRule(), 'dialects/sales.ts', source] as const),
  ...['push', 'pull'].flatMap((folder) =>
    [
      `import { createPostgresStore } from '../storage/postgres-store.ts';`,
      `import type { Pool } from '../storage/pool.ts';`,
      `import { type SyncStore } from '../storage/store.ts';`,
      `const store = await import('../storage/store.ts');`,
      `type Config = import('../config.ts').Config;`,
    ].map((source) => [layerRule(folder), `${folder}/decide.ts`, source] as const),
  ),
  ...[
    `import { createAuditStore } from '../storage/audit-store.ts';`,
    `import { type AuditStore } from '../storage/audit.ts';`,
    `import type { SyncStore } from '../storage/store.ts';`,
    `import type { FeedPage } from '../pull/feed.ts';`,
  ].flatMap((source) => [
    [conflictRule(), 'conflicts/view.ts', source] as const,
    [historyRule(), 'history/view.ts', source] as const,
  ]),
  ...[
    `import type { Batch } from '../push/batch.ts';`,
    `import { createRegistry } from '../kinds/registry.ts';`,
  ].map((source) => [historyRule(), 'history/view.ts', source] as const),
  ...[
    `import type { Batch } from '../push/batch.ts';`,
    `import type { SyncStore } from '../storage/store.ts';`,
    `import rateLimit from '@fastify/rate-limit';`,
  ].map(
    (source) =>
      ['admission imports errors.ts, node and itself', 'admission/turns.ts', source] as const,
  ),
  ...['push/decide.ts', 'kinds/registry.ts', 'config.ts', 'observability/logger.ts'].map(
    (path) =>
      [
        'fastify stays in app.ts, in plugins and in routes',
        path,
        `import type { FastifyInstance } from 'fastify';`,
      ] as const,
  ),
  [
    'fastify stays in app.ts, in plugins and in routes',
    'push/checks.ts',
    `import jwt from '@fastify/jwt';`,
  ],
  ['fastify stays in app.ts, in plugins and in routes', 'a.ts', `import p from 'fastify-plugin';`],
  ...[
    `import pg from 'pg';`,
    `import type { Pool } from 'pg';`,
    `import { PrismaPg } from '@prisma/adapter-pg';`,
    `import type { PrismaClient } from '../generated/client.ts';`,
  ].map((source) => ['pg and Prisma stay in storage', 'pull/feed.ts', source] as const),
  ...['push/decide.ts', 'pull/feed.ts'].map(
    (path) =>
      [
        'storage imports neither push nor pull',
        'storage/store.ts',
        `import type { X } from '../${path}';`,
      ] as const,
  ),
  ...['push/batch.ts', 'pull/feed.ts', 'storage/store.ts'].map(
    (path) =>
      [
        'plugins import neither push, pull nor storage',
        'plugins/auth.ts',
        `import type { X } from '../${path}';`,
      ] as const,
  ),
  ['push and pull do not import each other', 'push/a.ts', `import '../pull/feed.ts';`],
  ['push and pull do not import each other', 'pull/a.ts', `export * from '../push/batch.ts';`],
  ...['app.ts', 'server.ts', 'plugins/auth.ts', 'push/route.ts', 'cli/token.ts'].map(
    (path) =>
      [
        'only app.ts, server.ts, index.ts and cli compose',
        'openapi/render.ts',
        `import { x } from '../${path}';`,
      ] as const,
  ),
  ...[
    `const text = 'SELECT 1';`,
    'const text = `\n  INSERT INTO events VALUES (${row})`;',
    'const text = `\n  WITH page AS (SELECT 1) SELECT * FROM page`;',
    `const text = "update records set data = '{}'";`,
    `client.query('DELETE FROM events');`,
    `client.query('BEGIN');`,
    `client.query('ROLLBACK TO SAVEPOINT a');`,
  ].map((source) => ['SQL stands in storage/sql', 'storage/postgres-store.ts', source] as const),
  ['SQL stands in storage/sql', 'storage/ingest-transaction.ts', `query('UPDATE tenants SET a=1')`],
  ['SQL stands in storage/sql', 'storage/ingest-transaction.ts', `query('BEGIN READ ONLY')`],
  ['only src/index.ts re-exports', 'push/index.ts', `export * from './decide.ts';`],
  ['only src/index.ts re-exports', 'app.ts', `export { type Config } from './config.ts';`],
  ...[
    `const port = process.env.PORT;`,
    `const port = process['env']['PORT'];`,
    `const { env } = process;`,
    `import { env } from 'node:process';`,
  ].map((source) => ['only server.ts and cli read the environment', 'config.ts', source] as const),
  ...['push/decide.ts', 'kinds/registry.ts', 'kinds/kinds-file.ts', 'server.ts'].flatMap((path) =>
    ['await import(name);', 'await import(`./${name}.ts`);'].map(
      (source) =>
        ['only kinds-file.ts imports a module that it does not name', path, source] as const,
    ),
  ),
  ['no file is longer than 250 lines', 'push/decide.ts', 'run();\n'.repeat(251)],
  ['no imports go in a circle', 'push/a.ts', `import './a.ts';`],
];

function protocolRule() {
  return 'protocol imports zod, safe-stable-stringify, node, itself and errors.ts';
}

function kindsRule() {
  return 'kinds import zod, node:util, protocol, errors.ts and themselves';
}

function dialectRule() {
  return 'dialects import protocol, errors.ts, node and themselves';
}

function conflictRule() {
  return 'conflicts import protocol, kinds, push, admission, errors.ts and themselves, and types of the audit';
}

function historyRule() {
  return 'history imports protocol, admission, errors.ts and itself, and types of the audit';
}

function layerRule(folder: string) {
  const translated = folder === 'push' ? ' dialects,' : '';
  return `${folder} imports protocol,${translated} kinds, admission, errors.ts and itself, and types of the store`;
}

describe('the check itself', () => {
  test.each(bad)('"%s" finds in %s: %j', (rule, path, source) => {
    expect(violations(rule, { [path]: source })).toEqual([expect.stringContaining(path)]);
  });

  test('every rule is shown to find something', () => {
    expect(new Set(bad.map(([rule]) => rule))).toEqual(new Set(rules.keys()));
  });

  test.each(Object.entries(good()))('%s may do what it needs', (path, source) => {
    const found = [...rules.keys()].flatMap((rule) => violations(rule, { [path]: source }));
    expect(found).toEqual([]);
  });

  test('a circle over three files is found once, also where only types go round', () => {
    const sources = {
      'kinds/a.ts': `import './b.ts';`,
      'kinds/b.ts': `import type { C } from './c.ts';`,
      'kinds/c.ts': `import './a.ts'; import './d.ts';`,
      'kinds/d.ts': '',
    };
    const found = violations('no imports go in a circle', sources);
    expect(found).toEqual(['/kinds/a.ts → /kinds/b.ts → /kinds/c.ts → /kinds/a.ts']);
  });

  test('a file reached twice is no circle', () => {
    const sources = {
      'kinds/a.ts': `import './b.ts'; import './c.ts';`,
      'kinds/b.ts': `import './c.ts';`,
      'kinds/c.ts': '',
    };
    expect(violations('no imports go in a circle', sources)).toEqual([]);
  });

  test('a source that cannot be judged is refused rather than passed', () => {
    expect(() => readModule('a.ts', 'import {')).toThrow('a.ts');
  });
});

function good(): Readonly<Record<string, string>> {
  return {
    'errors.ts': 'const line = 1;\n'.repeat(300),
    'protocol/json.ts': `import { isUtf8 } from 'node:buffer'; import { z } from 'zod'; import { RequestProblem } from '../errors.ts'; import { x } from './text.ts';`,
    'kinds/notes/note.ts': `import { z } from 'zod'; import { defineKind } from '../define-kind.ts'; import { identifierSchema } from '../../protocol/text.ts'; import { eventFailures } from '../../errors.ts'; import { isDeepStrictEqual } from 'node:util';`,
    'dialects/sales.ts': `import { randomUUID } from 'node:crypto'; import { RequestProblem } from '../errors.ts'; import { salesEventSchema } from '../protocol/sales.ts'; import { refuse } from './dialect.ts';`,
    'push/answer.ts': `import { plainSpelling } from '../dialects/dialect.ts';`,
    'push/decide.ts': `import type { Stamp } from '../storage/store.ts'; import { eventFailures } from '../errors.ts';`,
    'pull/route.ts': `import type { FastifyPluginAsync } from 'fastify';`,
    'push/replays.ts': `import type { ReplayCount } from '../storage/audit.ts';`,
    'conflicts/resolve.ts': `import type { StoredConflict } from '../storage/audit.ts'; import { createBatch } from '../push/batch.ts'; import { RequestProblem } from '../errors.ts'; import type { KindRegistry } from '../kinds/registry.ts'; import type { Conflict } from '../protocol/conflict.ts';`,
    'admission/read-gate.ts': `import type { Writable } from 'node:stream'; import { overloaded } from './refusals.ts'; import { RequestProblem } from '../errors.ts';`,
    'history/route.ts': `import type { FastifyPluginAsync } from 'fastify'; import type { AuditStore } from '../storage/audit.ts'; import { toReceipt } from './view.ts'; import { parseQuery } from '../protocol/request.ts';`,
    'storage/pool.ts': `import pg from 'pg'; import type { Client } from '../generated/client.ts';`,
    'storage/sql/a.ts': `const text = 'SELECT 1';`,
    'storage/migrate.ts': `const text = 'SELECT 1';`,
    'storage/embedded/cluster.ts': `const text = 'CREATE DATABASE landfall';`,
    'storage/ingest-transaction.ts':
      "query('BEGIN'); query('COMMIT'); throw new Error(`COMMIT answered ${command}`);",
    'protocol/push.ts': `const about = 'With CONFLICT: the record that won'; const code = 'COMMIT_UNKNOWN';`,
    'server.ts': `import { buildApp } from './app.ts'; loadConfig(process.env); process.exit();`,
    'cli/token.ts': `loadConfig(process.env);`,
    'app.ts': `import fastify from 'fastify'; import { auth } from './plugins/auth.ts'; import { pushRoutes } from './push/route.ts';`,
    'kinds-file.ts': `import { createRegistry } from './kinds/registry.ts'; await import(path);`,
    'index.ts': `export { buildApp } from './app.ts';`,
  };
}
