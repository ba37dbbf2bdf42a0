import type { Pool } from 'pg';
import type { AuditStore } from './audit.ts';
import { createAuditStore } from './audit-store.ts';
import { createPrisma } from './prisma.ts';
import { type InstanceKeys, readInstanceKeys } from './instance-keys.ts';
import { migrate, pendingMigrations } from './migrate.ts';
import { createPool } from './pool.ts';
import { createPostgresStore } from './postgres-store.ts';
import { createRetentionStore, type RetentionStore } from './retention.ts';
import type { SyncStore } from './store.ts';
import { createTenantRemoval, type TenantRemoval } from './tenant-removal.ts';

export interface DatabaseOptions {
  readonly connectionString: string;
  readonly poolSize: number;
  readonly hooks: DatabaseHooks;
}

export interface DatabaseHooks {
  readonly onMigrated: (migrations: readonly string[]) => void;
  readonly onIdleError: (error: unknown) => void;
  readonly onRetry: (error: unknown, attempt: number) => void;
}

/** A migrated database, with all that the service does on it. */
export interface Database {
  readonly store: SyncStore;
  readonly audit: AuditStore;
  readonly retention: RetentionStore;
  readonly tenantRemoval: TenantRemoval;
  readonly keys: InstanceKeys;
  /** Each by name: can it be reached, and does it have this version's schema? Never throws. */
  check(): Promise<{ readonly database: boolean; readonly migrations: boolean }>;
  close(): Promise<void>;
}

/** @throws Error where the database cannot be reached or migrated */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { connectionString, poolSize, hooks } = options;
  const applied = await migrate(connectionString);
  if (applied.length > 0) hooks.onMigrated(applied);
  const pool = createPool({ connectionString, max: poolSize, onIdleError: hooks.onIdleError });
  try {
    const prisma = createPrisma(pool);
    const keys = await readInstanceKeys(prisma);
    return {
      store: createPostgresStore(pool, { onRetry: hooks.onRetry }),
      audit: createAuditStore(pool, prisma),
      retention: createRetentionStore(connectionString),
      tenantRemoval: createTenantRemoval(pool),
      keys,
      check: () => checkDatabase(pool),
      close: () => pool.end(),
    };
  } catch (error) {
    await pool.end();
    throw error;
  }
}

async function checkDatabase(pool: Pool) {
  try {
    const pending = await pendingMigrations(pool);
    return { database: true, migrations: pending.length === 0 };
  } catch {
    return { database: false, migrations: false };
  }
}
