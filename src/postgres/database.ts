import type { AuditStore } from '../audit/audit-store.ts';
import { createAuditStore } from './audit/postgres-audit-store.ts';
import { createDatabaseHealth, type DatabaseChecks } from './health.ts';
import { type InstanceKeys, readInstanceKeys } from './instance/instance-keys.ts';
import { createKindSchemaStore, type KindSchemaStore } from './kind-schemas/kind-schema-store.ts';
import { migrate } from './migrate/migrate.ts';
import { createPool } from './client/pool.ts';
import { createFeedStore } from './feed/postgres-feed-store.ts';
import { createIngestStore } from './ingest/postgres-ingest-store.ts';
import { createPrisma } from './audit/prisma.ts';
import { createRetentionStore, type RetentionStore } from './retention/retention-store.ts';
import { explainStartErrors } from './start-error.ts';
import type { FeedStore } from '../feed/feed-store.ts';
import type { IngestStore } from '../ingest/ingest-store.ts';
import { createTenantList, type TenantList } from './tenants/tenant-list.ts';
import { createTenantRemoval, type TenantRemoval } from './tenants/tenant-removal.ts';

export interface DatabaseOptions {
  /** Of a login that may act as the service; a transaction pooler may stand before the server. */
  readonly connectionString: string;
  /** Of the tables' owner, past any pooler; undefined: the same. */
  readonly directConnectionString?: string | undefined;
  /** What faults call the first of the two; DATABASE_URL by default. */
  readonly origin?: string;
  readonly poolSize: number;
  /** On by default. */
  readonly preparedStatements?: boolean;
  readonly hooks: DatabaseHooks;
}

export interface DatabaseHooks {
  readonly onMigrated: (migrations: readonly string[]) => void;
  readonly onIdleError: (error: unknown) => void;
  readonly onRetry: (error: unknown, attempt: number) => void;
}

/** A migrated database, with all that the service does on it. */
export interface Database {
  readonly ingest: IngestStore;
  readonly feed: FeedStore;
  readonly audit: AuditStore;
  readonly retention: RetentionStore;
  readonly tenantRemoval: TenantRemoval;
  readonly tenants: TenantList;
  readonly kindSchemas: KindSchemaStore;
  readonly keys: InstanceKeys;
  /** Never throws, and answers within four seconds. */
  check(): Promise<DatabaseChecks>;
  close(): Promise<void>;
}

/** @throws StartFault where the database cannot be reached, migrated or used */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { connectionString, poolSize, preparedStatements = true, hooks } = options;
  const { onIdleError } = hooks;
  const own = { variable: options.origin ?? 'DATABASE_URL', connectionString };
  const direct = options.directConnectionString
    ? { variable: 'DIRECT_DATABASE_URL', connectionString: options.directConnectionString }
    : own;
  const applied = await explainStartErrors(direct, () => migrate(direct.connectionString));
  if (applied.length > 0) hooks.onMigrated(applied);
  const pool = createPool({ connectionString, max: poolSize, preparedStatements, onIdleError });
  // It connects for the kinds' schemas and for a command of the operator, and not otherwise.
  const owner = createPool({
    ...{ connectionString: direct.connectionString, max: 1 },
    ...{ preparedStatements, onIdleError },
  });
  const health = await createDatabaseHealth({ connectionString, preparedStatements });
  const close = async () => {
    await Promise.all([pool.end(), owner.end(), health.close()]);
  };
  try {
    const keys = await explainStartErrors(own, () => readInstanceKeys(pool));
    return {
      ingest: createIngestStore(pool, { onRetry: hooks.onRetry }),
      feed: createFeedStore(pool),
      audit: createAuditStore(pool, createPrisma(pool)),
      retention: createRetentionStore(direct.connectionString),
      tenantRemoval: createTenantRemoval(owner),
      tenants: createTenantList(owner),
      kindSchemas: createKindSchemaStore(owner),
      keys,
      check: () => health.check(),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
