import type { StoredRecord } from '../../src/domain/record.ts';
import { expect, test } from 'vitest';
import { printPullAnswer, pullAnswerSchema } from '../../src/protocol/pull.ts';
import { recordSchema, toSyncRecord } from '../../src/protocol/record.ts';
import { identifierSchema } from '../../src/domain/identifier.ts';
import { fc } from './support/property.ts';

/** Times within the years that an answer can show. A client's clock may be wrong by two centuries. */
const micros = fc.integer({ min: Date.UTC(1700, 0) * 1000, max: Date.UTC(2200, 0) * 1000 - 1 });
/** Identifiers: visible characters only, including those that JSON escapes. */
const identifier = fc
  .stringMatching(/^[^\p{C}\p{Z}]{1,20}$/u)
  .filter((text) => identifierSchema.safeParse(text).success);
/** A body with a member `__proto__` is refused, so no stored record has one. */
const field = fc.string().filter((name) => name !== '__proto__');
const storedRecord: fc.Arbitrary<StoredRecord> = fc.record({
  entityType: identifier,
  entityId: identifier,
  version: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  deleted: fc.boolean(),
  data: fc.option(fc.dictionary(field, fc.jsonValue()).map((data) => JSON.stringify(data))),
  dataVersion: fc.integer({ min: 1, max: 9 }),
  originKey: identifier,
  originKind: identifier,
  originDevice: fc.option(identifier),
  originAt: micros,
  createdAt: micros,
  updatedAt: micros,
});

/** The expected answer, computed without the code under test. */
function expectedOf(stored: StoredRecord): unknown {
  const time = (at: number) => new Date(Math.floor(at / 1000)).toISOString();
  return {
    entityType: stored.entityType,
    entityId: stored.entityId,
    version: stored.version,
    deleted: stored.deleted,
    data: stored.data === null ? null : JSON.parse(stored.data),
    createdAt: time(stored.createdAt),
    updatedAt: time(stored.updatedAt),
    origin: {
      identityKey: stored.originKey,
      kind: stored.originKind,
      deviceId: stored.originDevice,
      effectiveAt: time(stored.originAt),
    },
  };
}

test('every record is printed as its schema describes', () => {
  fc.assert(
    fc.property(storedRecord, (stored) => {
      const record = toSyncRecord(stored);
      expect(record).toEqual(expectedOf(stored));
      expect(recordSchema.parse(record)).toEqual(record);
    }),
  );
});

test('a page with any number of records is printed as its schema describes', () => {
  const pages = fc.record({
    records: fc.array(storedRecord, { maxLength: 3 }),
    checkpoint: fc.base64String(),
    position: fc.integer({ min: 1 }),
    epoch: fc.uuid(),
    hasMore: fc.boolean(),
    serverTime: fc.constant('2026-11-21T10:00:05.120Z'),
  });
  fc.assert(
    fc.property(pages, ({ records, ...page }) => {
      const answer: unknown = JSON.parse(printPullAnswer({ records, ...page }).toString());
      expect(answer).toEqual({ changes: records.map(expectedOf), ...page });
      expect(pullAnswerSchema.parse(answer)).toEqual(answer);
    }),
  );
});

test('the data of a record is printed as its stored text', () => {
  const [stored] = fc.sample(storedRecord, 1);
  if (!stored) throw new Error('no record');
  const data = '{"2":1e3,"10":0.10}';
  const answer = printPullAnswer({
    ...{ checkpoint: 'c', position: 1, epoch: '', hasMore: false, serverTime: '' },
    records: [{ ...stored, data }],
  });
  expect(answer.toString()).toContain(`"data":${data},`);
});
