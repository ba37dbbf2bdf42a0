import type { SchemaPool } from '../client/pool.ts';
import { operatorScope, runInOneRoundTrip } from '../client/transaction.sql.ts';
import { listTenants } from './list-tenants.sql.ts';

export interface TenantList {
  /** The next ids of tenants with at least one event, sorted. @param after the last id before; '' for the first page */
  list(after: string, limit: number): Promise<readonly string[]>;
}

export function createTenantList(pool: SchemaPool): TenantList {
  return {
    async list(after, limit) {
      const tenants = await runInOneRoundTrip(pool, operatorScope, (sender) =>
        listTenants(sender, after, limit),
      );
      return tenants.map(({ id }) => id);
    },
  };
}
