import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  bool,
  bytea,
  hexBytes,
  int2,
  int4,
  int8,
  json,
  text,
  tid,
  timestamptz,
} from '../../src/postgres/client/binary-array.ts';
import { column, defineRowSet } from '../../src/postgres/client/row-set.ts';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { withClient } from '../testkit/postgres/client.ts';

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));

interface Row {
  readonly text: string | null;
  readonly json: string | null;
  readonly bytea: Buffer | null;
  readonly hex: string | null;
  readonly bool: boolean | null;
  readonly tid: string | null;
  readonly int2: number | null;
  readonly int4: number | null;
  readonly int8: number | null;
  readonly timestamptz: number | null;
}

const set = defineRowSet<Row>({
  text: column(text, (row) => row.text),
  json: column(json, (row) => row.json),
  bytea: column(bytea, (row) => row.bytea),
  hex: column(hexBytes, (row) => row.hex),
  bool: column(bool, (row) => row.bool),
  tid: column(tid, (row) => row.tid),
  int2: column(int2, (row) => row.int2),
  int4: column(int4, (row) => row.int4),
  int8: column(int8, (row) => row.int8),
  timestamptz: column(timestamptz, (row) => row.timestamptz),
});

/** As stored. Types that `pg` would parse in its own way are read as text. */
const selectText = `
SELECT sent.text, sent.json::text, sent.bytea, encode(sent.hex, 'hex') AS hex, sent.bool, sent.tid, sent.int2, sent.int4, sent.int8::text,
       (extract(epoch FROM sent.timestamptz) * 1000000)::bigint::text AS timestamptz
FROM ${set.unnest('sent')}`;

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

/** PostgreSQL's text holds every character but NUL. */
const storable = fc.string({ unit: 'grapheme' }).map((value) => value.replaceAll('\0', ''));
const orNull = <Value>(values: fc.Arbitrary<Value>) => fc.option(values, { nil: null });
const rows: fc.Arbitrary<Row[]> = fc.array(
  fc.record({
    text: orNull(fc.oneof(storable, fc.constantFrom('', 'NULL', '{}', '"', '\\', 'a,b', '€🎈'))),
    json: orNull(fc.json()),
    bytea: orNull(fc.uint8Array().map((bytes) => Buffer.from(bytes))),
    hex: orNull(fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('hex'))),
    bool: orNull(fc.boolean()),
    tid: orNull(
      fc
        .tuple(fc.integer({ min: 0, max: 2 ** 32 - 2 }), fc.integer({ min: 0, max: 2 ** 16 - 1 }))
        .map(([block, item]) => `(${block},${item})`),
    ),
    int2: orNull(fc.integer({ min: -(2 ** 15), max: 2 ** 15 - 1 })),
    int4: orNull(fc.integer()),
    int8: orNull(fc.maxSafeInteger()),
    timestamptz: orNull(
      fc.integer({ min: Date.UTC(1900, 0, 1) * 1000, max: Date.UTC(2200, 0, 1) * 1000 }),
    ),
  }),
);

test(`a set of rows is stored as it was sent (SEED=${seed})`, async () => {
  await withClient(database.url, (client) =>
    fc.assert(
      fc.asyncProperty(rows, async (sent) => {
        const { rows: read } = await client.query(selectText, set.values(sent));
        const numberOf = (value: string | null) => (value === null ? null : Number(value));
        expect(
          read.map((row) => ({
            ...row,
            int8: numberOf(row.int8),
            timestamptz: numberOf(row.timestamptz),
          })),
        ).toEqual(sent);
      }),
      { seed, numRuns: 300 },
    ),
  );
});
