import { createHash } from 'node:crypto';
import pg from 'pg';
import { eventColumns } from '../../src/postgres/columns/event-columns.sql.ts';
import { Recorder, type Sample } from '../load/sample.ts';
import { batchOf, type Work } from '../load/work.ts';
import { serveParent } from '../serve-parent.ts';

/** The columns and indexes of the log, without row level security. */
const createTable = 'CREATE TABLE floor_events (LIKE events INCLUDING ALL)';

const columns = Object.entries(eventColumns);
const columnNames = columns.map(([name]) => name).join(', ');
const arrays = columns.map(([, { type }], index) => `$${index + 1}::${type.name}[]`).join(', ');

const insert = `
INSERT INTO floor_events (${columnNames})
SELECT * FROM unnest(${arrays})`;

/** An array for each column: what the column holds for each event. */
type Arrays = { readonly [Name in keyof typeof eventColumns]: readonly unknown[] };

/** The same for all events, because hashing is not part of the floor. */
const fingerprint = createHash('sha256').update('one for all').digest();

/**
 * The least work that stores the events: each batch is one prepared statement with a commit of its own, on as many
 * connections as the other systems have. There is no HTTP, no token and no look-up of stored events.
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
    const values: Arrays = {
      tenant_id: all(tenant),
      version: edits.map((_, index) => head + index + 1),
      identity_key: edits.map(({ identityKey }) => identityKey),
      fingerprint: all(fingerprint),
      kind: all('note.put'),
      kind_version: all(1),
      entity_type: all('note'),
      entity_id: edits.map(({ noteId }) => noteId),
      outcome: all('applied'),
      device_id: all('laptop'),
      subject: all('bench'),
      occurred_at: all(occurredAt),
      effective_at: all(occurredAt),
      received_at: all(receivedAt),
      clock_adjusted: all(false),
      base_version: all(null),
      base_key: all(null),
      sequence: all(null),
      payload: edits.map(({ payload }) => payload),
      record_before: all(Math.max(0, head - work.entities)),
      record_after: edits.map((_, index) => head + index + 1),
    };
    const parameters = columns.map(([name]) => values[name as keyof Arrays]);
    await client.query({ name: 'floor', text: insert, values: parameters });
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
