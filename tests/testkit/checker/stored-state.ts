import type pg from 'pg';
import { withClient } from '../postgres/client.ts';

/** A row of the event log. Times are microseconds since 1970. */
export interface StoredEventRow {
  readonly version: number;
  readonly identityKey: string;
  readonly kind: string;
  readonly kindVersion: number;
  readonly outcome: string;
  /** The JSON text as it was sent; null once retention has removed it. */
  readonly payload: string | null;
  readonly effectiveAt: number;
  readonly receivedAt: number;
  readonly device: string | null;
  /** How the event resolves a conflict; null where it does not. */
  readonly resolution: 'discard' | 'force' | 'merge' | null;
}

export interface StoredRecordRow {
  readonly entityType: string;
  readonly entityId: string;
  readonly version: number;
  readonly deleted: boolean;
  readonly data: { readonly [name: string]: unknown } | null;
  readonly originKey: string;
}

/** The rows of one tenant, from one snapshot. */
export interface StoredState {
  readonly head: number;
  /** In version order. */
  readonly log: readonly StoredEventRow[];
  readonly records: readonly StoredRecordRow[];
}

const logText = `
SELECT event.version::float8 AS version, identity_key AS "identityKey", kind,
       kind_version AS "kindVersion", outcome, payload::text AS payload,
       (extract(epoch FROM effective_at) * 1000000)::float8 AS "effectiveAt",
       (extract(epoch FROM received_at) * 1000000)::float8 AS "receivedAt",
       device_id AS device, conflict.resolution
FROM event_log AS event
LEFT JOIN conflicts AS conflict
       ON conflict.tenant_no = (SELECT no FROM tenants WHERE id = $1)
      AND conflict.resolved_version = event.version
WHERE event.tenant_id = $1
ORDER BY event.version`;

const recordsText = `
SELECT entity_type AS "entityType", entity_id AS "entityId", version::float8 AS version, deleted,
       data, origin_key AS "originKey"
FROM records
WHERE tenant_no = (SELECT no FROM tenants WHERE id = $1)
ORDER BY version, entity_type, entity_id`;

const headText = 'SELECT head::float8 AS head FROM tenants WHERE id = $1';

/** @param databaseUrl the URL for a role that sees every tenant */
export function readStoredState(databaseUrl: string, tenant: string): Promise<StoredState> {
  return withClient(databaseUrl, async (client: pg.Client) => {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const { rows: tenants } = await client.query<{ head: number }>(headText, [tenant]);
    const { rows: log } = await client.query<StoredEventRow>(logText, [tenant]);
    const { rows: records } = await client.query<StoredRecordRow>(recordsText, [tenant]);
    return { head: tenants[0]?.head ?? 0, log, records };
  });
}
