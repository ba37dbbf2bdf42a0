import type { Pool } from 'pg';
import { listTenants } from './list-tenants.sql.ts';
import { operatorScope, runInOneRoundTrip } from '../client/transaction.sql.ts';

export interface TenantList {
  /** Ids of the next tenants that have a log, in their order; '' begins. */
  list(after: string, limit: number): Promise<readonly string[]>;
}

export function createTenantList(pool: Pool): TenantList {
  return {
    async list(after, limit) {
      const tenants = await runInOneRoundTrip(pool, operatorScope, (trip) =>
        listTenants(trip, after, limit),
      );
      return tenants.map(({ id }) => id);
    },
  };
}
