import type pg from 'pg';
import { withClient } from '../template.ts';

/** A row of the log. Times are microseconds since 1970. */
export interface StoredEvent {
  readonly version: number;
  readonly identityKey: string;
  readonly kind: string;
  readonly kindVersion: number;
  readonly outcome: string;
  /** JSON as it was sent; null once it was dropped. */
  readonly payload: string | null;
  readonly effectiveAt: number;
  readonly receivedAt: number;
  readonly device: string | null;
  /** Where it settles a conflict: how. */
  readonly resolution: 'discard' | 'force' | 'merge' | null;
}

export interface StoredRecord {
  readonly entityType: string;
  readonly entityId: string;
  readonly version: number;
  readonly deleted: boolean;
  readonly data: { readonly [name: string]: unknown } | null;
  readonly originKey: string;
}

/** All that the database holds of one tenant, in one snapshot. */
export interface Stored {
  readonly head: number;
  /** In version order. */
  readonly log: readonly StoredEvent[];
  readonly records: readonly StoredRecord[];
}

const logText = `
SELECT event.version::float8 AS version, identity_key AS "identityKey", kind,
       kind_version AS "kindVersion", outcome, payload::text AS payload,
       (extract(epoch FROM effective_at) * 1000000)::float8 AS "effectiveAt",
       (extract(epoch FROM received_at) * 1000000)::float8 AS "receivedAt",
       device_id AS device, conflict.resolution
FROM events AS event
LEFT JOIN conflicts AS conflict
       ON conflict.tenant_id = event.tenant_id AND conflict.resolved_version = event.version
WHERE event.tenant_id = $1
ORDER BY event.version`;

const recordsText = `
SELECT entity_type AS "entityType", entity_id AS "entityId", version::float8 AS version, deleted,
       data, origin_key AS "originKey"
FROM records
WHERE tenant_id = $1
ORDER BY version, entity_type, entity_id`;

/** @param databaseUrl of a role that sees every tenant */
export function readStored(databaseUrl: string, tenant: string): Promise<Stored> {
  return withClient(databaseUrl, async (client: pg.Client) => {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const heads = 'SELECT head::float8 AS head FROM tenants WHERE id = $1';
    const { rows: tenants } = await client.query<{ head: number }>(heads, [tenant]);
    const { rows: log } = await client.query<StoredEvent>(logText, [tenant]);
    const { rows: records } = await client.query<StoredRecord>(recordsText, [tenant]);
    return { head: tenants[0]?.head ?? 0, log, records };
  });
}
