import {
  createRetentionPass,
  type RetentionReport,
} from '../../../src/retention/retention-pass.ts';
import {
  createRetentionStore,
  type RetentionSession,
} from '../../../src/postgres/retention/retention-store.ts';
import { ofTenant, readHeadAgain } from '../postgres/tenant-history.ts';
import type { Tenant } from './tenant.ts';
import type { TestApp } from './test-app.ts';

const dayMs = 86_400_000;

export interface RetentionRunnerOptions {
  readonly tombstoneMs?: number;
  readonly eventMs?: number | null;
  readonly batchRows?: number;
  /** Replaces steps of a pass, such as to run something between two of them. */
  readonly overrideSession?: (session: RetentionSession) => Partial<RetentionSession>;
  readonly signal?: AbortSignal;
}

/**
 * Cleans up the app's database over connections of its own, as another process does.
 *
 * @returns runs one pass for each call. @throws Error where another process is cleaning up
 */
export function createRetentionRunner(service: TestApp, options: RetentionRunnerOptions = {}) {
  const { tombstoneMs = 90 * dayMs, eventMs = null, batchRows, overrideSession, signal } = options;
  const store = createRetentionStore(service.database.url);
  const begin = async () => {
    const session = await store.begin();
    return session && { ...session, ...overrideSession?.(session) };
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
 * Makes a tenant's events so many days older.
 *
 * @param after only events after this version become older. A checkpoint contains the time of receipt of its
 *   event, so the time of that event must not change.
 */
export async function letDaysPass(tenant: Tenant, days: number, after = 0): Promise<void> {
  const { sql } = tenant.service;
  await sql(
    `UPDATE events SET received_at = received_at - $2 * interval '1 day'
      WHERE ${ofTenant} AND version > $3`,
    [tenant.id, days, after],
  );
  await readHeadAgain(sql, tenant.id);
}

/** The versions up to which tombstones and payloads have been removed. */
export interface Horizons {
  readonly horizon: number;
  readonly logHorizon: number;
}

/** @throws Error where the tenant has no row */
export async function horizonsOf({ id, service }: Tenant): Promise<Horizons> {
  const [row] = await service.sql<Horizons & object>(
    `SELECT horizon::float8 AS horizon, log_horizon::float8 AS "logHorizon"
       FROM tenants WHERE id = $1`,
    [id],
  );
  if (!row) throw new Error('there is no such tenant');
  return row;
}

/** The entity ids of a tenant's tombstones that are still in the feed, in version order. */
export async function tombstonesOf({ id, service }: Tenant): Promise<string[]> {
  const rows = await service.sql<{ id: string }>(
    `SELECT entity_id AS id FROM records WHERE ${ofTenant} AND deleted ORDER BY version, 1`,
    [id],
  );
  return rows.map((row) => row.id);
}
