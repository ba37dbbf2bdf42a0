import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import {
  bindMigrationAwareSqlAdapterFactory,
  ColumnTypeEnum,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
  type SqlQuery,
} from '@prisma/driver-adapter-utils';
import type { MigrationList, SchemaEngine } from '@prisma/schema-engine-wasm';
import pg from 'pg';
import { cloneTemplate, type Template } from './template.ts';

type Engine = {
  __wbg_set_wasm(exports: object): void;
  SchemaEngine: typeof SchemaEngine;
};

/** Neither lib.esnext nor @types/node declares it. */
declare const WebAssembly: {
  instantiate(
    module: Uint8Array,
    imports: Record<string, object>,
  ): Promise<{ instance: { exports: { __wbindgen_start(): void } } }>;
};

/** OIDs of "char", PostgreSQL's one-byte catalog type, and of text. */
const CHAR = 18;
const TEXT = 25;

/**
 * What would have to be migrated so that `migrations` (a folder) give what `schema` (the text of a
 * schema.prisma) describes, in Prisma's words.
 */
export async function diffSchema(run: Template, migrations: string, schema: string) {
  const { SchemaEngine: engineClass } = await (loaded ??= loadEngine());
  const adapter = bindMigrationAwareSqlAdapterFactory(createFactory(run));
  const files = [{ path: 'schema.prisma', content: schema }];
  const engine = await engineClass.new(
    { datamodels: files.map(({ path, content }) => [path, content]) },
    () => {},
    adapter,
  );
  try {
    const result = await engine.diff({
      from: { tag: 'migrations', ...(await listMigrations(migrations)) },
      to: { tag: 'schemaDatamodel', files },
      script: false,
      exitCode: true,
      filters: { externalTables: [], externalEnums: [] },
    });
    return { differs: result.exitCode === 2, text: result.stdout?.trim() ?? '' };
  } finally {
    engine.free();
  }
}

/** Where the engine panics it says here why, and leaves its promise pending. */
function panic(message: string): never {
  throw new Error(message);
}

let loaded: Promise<Engine> | undefined;

/** As Prisma's command line does it: the package's own entry wants a bundler for its .wasm. */
async function loadEngine(): Promise<Engine> {
  const folder = dirname(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm'));
  const engine = (await import('@prisma/schema-engine-wasm/schema_engine_bg')) as Engine;
  const wasm = await readFile(join(folder, 'schema_engine_bg.wasm'));
  const { instance } = await WebAssembly.instantiate(wasm, { './schema_engine_bg.js': engine });
  engine.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  Object.assign(globalThis, { PRISMA_WASM_PANIC_REGISTRY: { set_message: panic } });
  return engine;
}

async function listMigrations(baseDir: string): Promise<MigrationList> {
  const entries = await readdir(baseDir, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return {
    baseDir,
    lockfile: {
      path: 'migration_lock.toml',
      content: await readFile(join(baseDir, 'migration_lock.toml'), 'utf8'),
    },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(
      names.sort().map(async (path) => ({
        path,
        migrationFile: {
          path: 'migration.sql',
          content: {
            tag: 'ok' as const,
            value: await readFile(join(baseDir, path, 'migration.sql'), 'utf8'),
          },
        },
      })),
    ),
  };
}

/** The engine replays the migrations in a database of its own, which goes with the adapter. */
function createFactory(run: Template): SqlMigrationAwareDriverAdapterFactory {
  const prisma = new PrismaPg(run.baseUrl);
  return {
    provider: prisma.provider,
    adapterName: prisma.adapterName,
    connect: () => connectOnce(run.baseUrl, async () => {}),
    async connectToShadowDb() {
      const shadow = await cloneTemplate(run, 'template0');
      return connectOnce(shadow.url, shadow.drop);
    },
  };
}

/**
 * Prisma's own adapter splits scripts at every semicolon and spreads them over connections, and
 * knows no "char", in which the catalog keeps what the engine asks for.
 */
async function connectOnce(url: string, after: () => Promise<void>): Promise<SqlDriverAdapter> {
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  // Its database is dropped while the connection may still be on its way out.
  pool.on('error', () => {});
  const query = pool.query.bind(pool);
  let chars: number[] = [];
  Object.assign(pool, {
    query: async (statement: pg.QueryArrayConfig) => {
      const result = await query(statement);
      chars = [...result.fields.keys()].filter((at) => result.fields[at]?.dataTypeID === CHAR);
      for (const at of chars) Object.assign(result.fields[at] ?? {}, { dataTypeID: TEXT });
      return result;
    },
  });
  const adapter = await new PrismaPg(pool).connect();
  const queryRaw = adapter.queryRaw.bind(adapter);
  return Object.assign(adapter, {
    queryRaw: async (statement: SqlQuery) => {
      const result = await queryRaw(statement);
      for (const at of chars) result.columnTypes[at] = ColumnTypeEnum.Character;
      return result;
    },
    executeScript: async (script: string) => void (await query(script)),
    dispose: async () => {
      await pool.end();
      await after();
    },
  });
}
