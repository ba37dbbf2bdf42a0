import type { Pool } from 'pg';
import { listTenants } from './sql/list-tenants.ts';
import { forOperator, inOneTrip } from './sql/transaction.ts';

export interface TenantList {
  /** Ids of the next tenants that have a log, in their order; '' begins. */
  list(after: string, limit: number): Promise<readonly string[]>;
}

export function createTenantList(pool: Pool): TenantList {
  return {
    async list(after, limit) {
      const tenants = await inOneTrip(pool, forOperator, (trip) => listTenants(trip, after, limit));
      return tenants.map(({ id }) => id);
    },
  };
}
