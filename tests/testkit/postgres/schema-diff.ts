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
import { cloneTemplate, type TemplateDatabase } from './template-database.ts';

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

/** The type OIDs of "char", the one-byte type of PostgreSQL's catalog, and of text. */
const CHAR = 18;
const TEXT = 25;

/**
 * Compares the schema that the migrations make with the schema of a schema.prisma.
 *
 * @param migrations the folder of the migrations
 * @param schema the text of the schema.prisma
 * @returns whether they differ, and how in Prisma's words
 */
export async function diffSchema(run: TemplateDatabase, migrations: string, schema: string) {
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

/** The engine calls it with the reason of a panic, and never settles its promise. */
function panic(message: string): never {
  throw new Error(message);
}

let loaded: Promise<Engine> | undefined;

/** Loads the engine as Prisma's command line does. The package's own entry needs a bundler for its .wasm file. */
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

/** The engine runs the migrations in a database of its own. Disposing of the adapter drops the database. */
function createFactory(run: TemplateDatabase): SqlMigrationAwareDriverAdapterFactory {
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
 * Opens Prisma's adapter over a single connection and corrects two of its limits: it splits scripts at every
 * semicolon and runs the parts on several connections, and it cannot read the type "char", which the engine's
 * catalog queries return.
 */
async function connectOnce(url: string, onDispose: () => Promise<void>): Promise<SqlDriverAdapter> {
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  // Dropping the database may break a connection that is just closing.
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
      await onDispose();
    },
  });
}
