import { createRetentionPass, type RetentionReport } from '../../src/retention/retention-pass.ts';
import {
  createRetentionStore,
  type RetentionSession,
} from '../../src/postgres/retention/retention-store.ts';
import type { Tenant } from './oracle/tenant.ts';
import type { TestApp } from './app.ts';

const dayMs = 86_400_000;

export interface CleanerOptions {
  readonly tombstoneMs?: number;
  readonly eventMs?: number | null;
  readonly batchRows?: number;
  /** Looks in on the steps of a pass, or changes one. */
  readonly around?: (session: RetentionSession) => Partial<RetentionSession>;
  readonly signal?: AbortSignal;
}

/** A process of its own that cleans up the app's database, one pass a call. */
export function createCleaner(service: TestApp, options: CleanerOptions = {}) {
  const { tombstoneMs = 90 * dayMs, eventMs = null, batchRows, around, signal } = options;
  const store = createRetentionStore(service.database.url);
  const begin = async () => {
    const session = await store.begin();
    return session && { ...session, ...around?.(session) };
  };
  const settings = { tombstoneMs, eventMs, ...(batchRows !== undefined && { batchRows }) };
  const pass = createRetentionPass({ begin }, settings);
  return async (): Promise<RetentionReport> => {
    const report = await pass(signal ?? new AbortController().signal);
    if (!report) throw new Error('another process is cleaning up');
    return report;
  };
}

/**
 * As if so many days had passed since a tenant pushed what it did.
 *
 * @param after only the events after this version: the time of an event that a checkpoint stands on
 *   is part of the checkpoint's proof, and must not change
 */
export async function letDaysPass(tenant: Tenant, days: number, after = 0): Promise<void> {
  await tenant.service.sql(
    `UPDATE events SET received_at = received_at - $2 * interval '1 day'
      WHERE tenant_id = $1 AND version > $3`,
    [tenant.id, days, after],
  );
}

export interface Horizons {
  readonly horizon: number;
  readonly logHorizon: number;
}

/** Up to which versions the tombstones and the payloads are gone. */
export async function horizonsOf({ id, service }: Tenant): Promise<Horizons> {
  const [row] = await service.sql<Horizons & object>(
    `SELECT horizon::float8 AS horizon, log_horizon::float8 AS "logHorizon"
       FROM tenants WHERE id = $1`,
    [id],
  );
  if (!row) throw new Error('there is no such tenant');
  return row;
}

/** A tenant's tombstones that are still in the feed, by entity id. */
export async function tombstonesOf({ id, service }: Tenant): Promise<string[]> {
  const rows = await service.sql<{ id: string }>(
    'SELECT entity_id AS id FROM records WHERE tenant_id = $1 AND deleted ORDER BY version, 1',
    [id],
  );
  return rows.map((row) => row.id);
}
