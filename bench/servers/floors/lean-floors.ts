import { finished } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import type { StoredEvent } from '../../../src/domain/event.ts';
import { ArrayWriter } from '../../../src/postgres/client/binary-array.ts';
import { type Column, defineRowSet, type OfTenant } from '../../../src/postgres/client/row-set.ts';
import { eventColumns } from '../../../src/postgres/columns/event-columns.sql.ts';
import type { Floor, FloorBatch } from './floor.ts';

type Row = OfTenant<StoredEvent>;

/** The columns and indexes of the log, without row level security. */
const createTable = 'CREATE TABLE floor_events (LIKE events INCLUDING ALL)';

const events = defineRowSet<Row>(eventColumns);
const columns: readonly Column<Row>[] = Object.values(eventColumns);

const insert = `
INSERT INTO floor_events (${events.columns})
SELECT ${events.columns}
FROM ${events.unnest('event')}`;

const copy = `COPY floor_events (${events.columns}) FROM STDIN (FORMAT binary)`;

/** One prepared statement a batch, with the arrays that the service sends too. */
export const leanFloor: Floor = {
  createTable,
  store: (client, batch) =>
    client.query({ name: 'lean-floor', text: insert, values: events.values(toRows(batch)) }),
};

/** One COPY a batch: PostgreSQL's own way to load rows. */
export const copyFloor: Floor = {
  createTable,
  async store(client, batch) {
    const stream = client.query(copyFrom(copy));
    stream.end(printCopy(toRows(batch)));
    // The library ends the stream once PostgreSQL has committed.
    await finished(stream);
  },
};

/** The rows that Landfall stores for these edits. */
function toRows({ tenantNo, head, edits, entities }: FloorBatch): readonly Row[] {
  const receivedAt = Date.now() * 1000;
  const previousVersion = head > entities ? head - entities : null;
  return edits.map(({ identityKey, noteId, occurredAt, payload }, index) => ({
    tenantNo,
    row: {
      version: head + index + 1,
      identityKey,
      // The digits of the key, which are as scattered as those of its hash: hashing is not part of the floor.
      keyHash: identityKey.replaceAll('-', '').padEnd(32, '0'),
      fingerprint: null,
      previousVersion,
      kind: 'note.put',
      kindVersion: 1,
      entityType: 'note',
      entityId: noteId,
      outcome: 'applied',
      deviceId: 'laptop',
      subject: 'bench',
      occurredAt: occurredAt * 1000,
      effectiveAt: occurredAt * 1000,
      receivedAt,
      clockAdjusted: false,
      baseVersion: null,
      baseKey: null,
      sequence: null,
      payload,
      recordBefore: previousVersion ?? 0,
      recordAfter: head + index + 1,
      resolves: null,
    },
  }));
}

const copySignature = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
/** In place of a row's number of columns. */
const endOfRows = -1;
/** More than a row takes, so that the memory need not grow. */
const bytesARow = 600;

/** The rows in COPY's binary format. The form of a value is that of an element in a binary array. */
function printCopy(rows: readonly Row[]): Buffer {
  const writer = new ArrayWriter(bytesARow * (rows.length + 1));
  for (const byte of copySignature) writer.byte(byte);
  // No flags, and no extension of the header.
  writer.int32(0);
  writer.int32(0);
  for (const row of rows) {
    writeInt16(writer, columns.length);
    for (const { type, value } of columns) {
      const held = value(row);
      if (held === null || held === undefined) writer.int32(-1);
      else type.write(held, writer);
    }
  }
  writeInt16(writer, endOfRows);
  const [written = Buffer.alloc(0)] = writer.cut([0]);
  return written;
}

function writeInt16(writer: ArrayWriter, value: number): void {
  writer.byte(value >>> 8);
  writer.byte(value);
}
