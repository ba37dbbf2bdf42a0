import { createHash } from 'node:crypto';
import pg from 'pg';
import { Recorder, type Sample } from '../load/sample.ts';
import { batchOf, type Work } from '../load/work.ts';
import { serveParent } from '../serve-parent.ts';

/** The same rows and indexes as the log, and nothing else. */
const createTable = 'CREATE TABLE floor_events (LIKE events INCLUDING ALL)';

const insert = `
INSERT INTO floor_events (
  tenant_id, version, identity_key, fingerprint, kind, kind_version, entity_type, entity_id,
  outcome, device_id, subject, occurred_at, effective_at, received_at, clock_adjusted,
  base_version, base_key, sequence, payload, record_before, record_after)
SELECT * FROM unnest(
  $1::text[], $2::bigint[], $3::text[], $4::bytea[], $5::text[], $6::int[], $7::text[], $8::text[],
  $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[],
  $15::bool[], $16::bigint[], $17::text[], $18::bigint[], $19::json[], $20::bigint[], $21::bigint[])`;

const fingerprint = createHash('sha256').update('one for all: hashing is not part of the floor');
const digest = fingerprint.digest();

/**
 * What PostgreSQL can store at all: one prepared statement, committed by itself, on as many
 * connections as the other systems have; no HTTP, no token, no look-up of what is there.
 */
serveParent<{ readonly databaseUrl: string; readonly work: Work }>(async (settings) => {
  const { databaseUrl, work } = settings;
  const clients = Array.from({ length: work.lanes }, () => new pg.Client(databaseUrl));
  for (const client of clients) await client.connect();
  await clients[0]?.query(createTable);
  const turns = Array.from({ length: work.lanes }, () => 0);
  const heads = new Map(work.tenants.map((tenant) => [tenant, 0]));

  async function insertBatch(client: pg.Client, lane: number): Promise<number> {
    const turn = turns[lane] ?? 0;
    turns[lane] = turn + 1;
    const { tenant, edits } = batchOf(work, lane, turn);
    const head = heads.get(tenant) ?? 0;
    heads.set(tenant, head + edits.length);
    const all = (value: unknown) => edits.map(() => value);
    const occurredAt = new Date(work.startedAt + turn).toISOString();
    const receivedAt = new Date().toISOString();
    await client.query({
      name: 'floor',
      text: insert,
      values: [
        all(tenant),
        edits.map((_, index) => head + index + 1),
        edits.map(({ identityKey }) => identityKey),
        all(digest),
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
        all(Math.max(0, head - work.entities)),
        edits.map((_, index) => head + index + 1),
      ],
    });
    return edits.length;
  }

  async function answer({ seconds }: { readonly seconds: number }): Promise<Sample> {
    const recorder = new Recorder();
    const until = performance.now() + seconds * 1000;
    const runLane = async (client: pg.Client, lane: number) => {
      while (performance.now() < until) {
        const startedAt = performance.now();
        const units = await insertBatch(client, lane);
        recorder.add(performance.now() - startedAt, units);
      }
    };
    await Promise.all(clients.map(runLane));
    return recorder.finish();
  }

  return { ready: {}, answer };
});
