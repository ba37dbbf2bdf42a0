import { createHash } from 'node:crypto';
import type { Floor } from './floor.ts';

/**
 * The log as commit 9d0196c had it, with its three indexes. It stands here as text, because the migrations no longer
 * make it.
 */
const createTable = `
CREATE TABLE old_floor_events (
  tenant_id      text COLLATE "C" NOT NULL,
  version        bigint NOT NULL,
  identity_key   text COLLATE "C" NOT NULL,
  fingerprint    bytea NOT NULL,
  kind           text COLLATE "C" NOT NULL,
  kind_version   integer NOT NULL,
  entity_type    text COLLATE "C" NOT NULL,
  entity_id      text COLLATE "C" NOT NULL,
  outcome        text COLLATE "C" NOT NULL,
  device_id      text,
  subject        text,
  occurred_at    timestamptz(6),
  effective_at   timestamptz(6) NOT NULL,
  received_at    timestamptz(6) NOT NULL,
  clock_adjusted boolean NOT NULL,
  base_version   bigint,
  base_key       text COLLATE "C",
  sequence       bigint,
  payload        json,
  record_before  bigint,
  record_after   bigint,
  PRIMARY KEY (tenant_id, version)
);
CREATE UNIQUE INDEX ON old_floor_events (tenant_id, identity_key)
WHERE identity_key IS NOT NULL;
CREATE INDEX ON old_floor_events (tenant_id, entity_type, entity_id, version)
WHERE entity_id IS NOT NULL`;

const insert = `
INSERT INTO old_floor_events (
  tenant_id, version, identity_key, fingerprint, kind, kind_version, entity_type, entity_id,
  outcome, device_id, subject, occurred_at, effective_at, received_at, clock_adjusted,
  base_version, base_key, sequence, payload, record_before, record_after)
SELECT * FROM unnest(
  $1::text[], $2::bigint[], $3::text[], $4::bytea[], $5::text[], $6::int[], $7::text[], $8::text[],
  $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[],
  $15::bool[], $16::bigint[], $17::text[], $18::bigint[], $19::json[], $20::bigint[], $21::bigint[])`;

/** The same for all events, because hashing is not part of the floor. */
const fingerprint = createHash('sha256').update('one for all').digest();

/** As the benchmark of that commit did it: one prepared statement a batch, and arrays as text. */
export const oldFloor: Floor = {
  createTable,
  store(client, { tenant, head, edits, entities }) {
    const all = (value: unknown) => edits.map(() => value);
    const occurredAt = new Date(edits[0]?.occurredAt ?? 0).toISOString();
    const receivedAt = new Date().toISOString();
    return client.query({
      name: 'old-floor',
      text: insert,
      values: [
        all(tenant),
        edits.map((_, index) => head + index + 1),
        edits.map(({ identityKey }) => identityKey),
        all(fingerprint),
        all('note.put'),
        all(1),
        all('note'),
        edits.map(({ noteId }) => noteId),
        all('applied'),
        all('laptop'),
        all('bench'),
        all(occurredAt),
        all(occurredAt),
        all(receivedAt),
        all(false),
        all(null),
        all(null),
        all(null),
        edits.map(({ payload }) => payload),
        all(Math.max(0, head - entities)),
        edits.map((_, index) => head + index + 1),
      ],
    });
  },
};
