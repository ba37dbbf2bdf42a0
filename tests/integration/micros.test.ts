import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { micros } from '../../src/postgres/client/expressions.sql.ts';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { withClient } from '../testkit/postgres/client.ts';

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
const earliest = Date.UTC(1900, 0, 1) * 1000;
/** 2³² s after 1970, in February 2106. */
const latest = 2 ** 32 * 1e6 - 1;

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

test(`a time from 1900 to 2105 is read to the microsecond (SEED=${seed})`, async () => {
  const sampled = fc.sample(fc.integer({ min: earliest, max: latest }), { numRuns: 20_000, seed });
  const times = [earliest, -1, 0, 1, latest, ...sampled];
  const text = `
    SELECT ${micros('stored')}::text AS micros
    FROM unnest($1::bigint[]) WITH ORDINALITY AS given (time, nth),
         LATERAL (SELECT timestamptz 'epoch' + time * interval '1 microsecond' AS stored) AS kept
    ORDER BY nth`;
  const { rows } = await withClient(database.url, (client) => client.query(text, [times]));
  expect(rows.map((row) => Number(row.micros))).toEqual(times);
});
