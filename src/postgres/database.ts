import type { AuditStore } from '../audit/audit-store.ts';
import type { FeedStore } from '../feed/feed-store.ts';
import type { IngestStore } from '../ingest/ingest-store.ts';
import { createAuditStore } from './audit/postgres-audit-store.ts';
import { createPrisma } from './audit/prisma.ts';
import { createPool } from './client/pool.ts';
import { createFeedStore } from './feed/postgres-feed-store.ts';
import { createDatabaseHealth, type DatabaseChecks } from './health.ts';
import { createIngestStore } from './ingest/postgres-ingest-store.ts';
import { type InstanceKeys, readInstanceKeys } from './instance/instance-keys.ts';
import { createKindSchemaStore, type KindSchemaStore } from './kind-schemas/kind-schema-store.ts';
import { migrate } from './migrate/migrate.ts';
import { createRetentionStore, type RetentionStore } from './retention/retention-store.ts';
import { explainStartErrors } from './start-error.ts';
import { TenantNumbers } from './tenants/tenant-numbers.ts';
import { createTenantList, type TenantList } from './tenants/tenant-list.ts';
import { createTenantRemoval, type TenantRemoval } from './tenants/tenant-removal.ts';

export interface DatabaseOptions {
  /** Its login must be a member of landfall_service. A transaction pooler may stand before the server. */
  readonly connectionString: string;
  /** Its login must own the tables. No pooler may stand before the server. `connectionString` by default. */
  readonly directConnectionString?: string | undefined;
  /** The name of `connectionString` in the messages of errors. DATABASE_URL by default. */
  readonly origin?: string;
  readonly poolSize: number;
  /** On by default. */
  readonly preparedStatements?: boolean;
  /**
   * The maximum of tenants in one transaction: no maximum by default. With 1 the statements are such as a database takes
   * that is distributed by tenant.
   */
  readonly maxGroupTenants?: number;
  readonly hooks: DatabaseHooks;
}

export interface DatabaseHooks {
  readonly onMigrated: (migrations: readonly string[]) => void;
  readonly onIdleError: (error: unknown) => void;
  readonly onRetry: (error: unknown, attempt: number) => void;
}

/** A migrated database, and everything that the service does with it. */
export interface Database {
  readonly ingest: IngestStore;
  readonly feed: FeedStore;
  readonly audit: AuditStore;
  readonly retention: RetentionStore;
  readonly tenantRemoval: TenantRemoval;
  readonly tenants: TenantList;
  readonly kindSchemas: KindSchemaStore;
  readonly keys: InstanceKeys;
  /** Never throws. Answers within four seconds. */
  check(): Promise<DatabaseChecks>;
  close(): Promise<void>;
}

/** @throws StartError where the database cannot be reached, migrated or used */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { connectionString, poolSize, preparedStatements = true, hooks } = options;
  const form = options.maxGroupTenants === 1 ? 'one' : 'many';
  const { onIdleError } = hooks;
  const service = { variable: options.origin ?? 'DATABASE_URL', connectionString };
  const direct = options.directConnectionString
    ? { variable: 'DIRECT_DATABASE_URL', connectionString: options.directConnectionString }
    : service;
  const applied = await explainStartErrors(direct, () => migrate(direct.connectionString));
  if (applied.length > 0) hooks.onMigrated(applied);
  const pool = createPool({
    ...{ connectionString, max: poolSize, preparedStatements, form, onIdleError },
  });
  // It connects only for the schemas of the kinds and for commands of the operator.
  const ownerPool = createPool({
    ...{ connectionString: direct.connectionString, max: 1 },
    ...{ preparedStatements, onIdleError },
  });
  const health = await createDatabaseHealth({ connectionString, preparedStatements });
  const close = async () => {
    await Promise.all([pool.end(), ownerPool.end(), health.close()]);
  };
  try {
    const keys = await explainStartErrors(service, () => readInstanceKeys(pool));
    const numbers = new TenantNumbers(pool);
    return {
      ingest: createIngestStore(pool, { numbers, onRetry: hooks.onRetry }),
      feed: createFeedStore(pool, numbers),
      audit: createAuditStore(pool, createPrisma(pool), numbers),
      retention: createRetentionStore(direct.connectionString),
      tenantRemoval: createTenantRemoval(ownerPool),
      tenants: createTenantList(ownerPool),
      kindSchemas: createKindSchemaStore(ownerPool),
      keys,
      check: () => health.check(),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
