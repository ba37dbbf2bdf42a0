import type { StoredRecord } from '../../src/domain/record.ts';
import { expect, test } from 'vitest';
import { printPullAnswer, pullAnswerSchema } from '../../src/protocol/pull.ts';
import { recordSchema, toSyncRecord } from '../../src/protocol/record.ts';
import { identifierSchema } from '../../src/domain/identifier.ts';
import { fc } from './support/property.ts';

/** The years that a time in an answer can have: a client's clock may be off by two centuries. */
const micros = fc.integer({ min: Date.UTC(1700, 0) * 1000, max: Date.UTC(2200, 0) * 1000 - 1 });
/** Visible, as keys and ids are; what JSON has to escape is among it. */
const key = fc
  .stringMatching(/^[^\p{C}\p{Z}]{1,20}$/u)
  .filter((text) => identifierSchema.safeParse(text).success);
/** No body that names `__proto__` is taken, so none is stored. */
const field = fc.string().filter((name) => name !== '__proto__');
const storedRecord: fc.Arbitrary<StoredRecord> = fc.record({
  entityType: key,
  entityId: key,
  version: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  deleted: fc.boolean(),
  data: fc.option(fc.dictionary(field, fc.jsonValue()).map((data) => JSON.stringify(data))),
  dataVersion: fc.integer({ min: 1, max: 9 }),
  originKey: key,
  originKind: key,
  originDevice: fc.option(key),
  originAt: micros,
  createdAt: micros,
  updatedAt: micros,
});

/** Said once more, without what is to be proved. */
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

test('a record is printed as the schema says, whatever it holds', () => {
  fc.assert(
    fc.property(storedRecord, (stored) => {
      const record = toSyncRecord(stored);
      expect(record).toEqual(expectedOf(stored));
      expect(recordSchema.parse(record)).toEqual(record);
    }),
  );
});

test('a page is printed as the schema says, with any number of records', () => {
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

test('data goes out as the text that is stored', () => {
  const [stored] = fc.sample(storedRecord, 1);
  if (!stored) throw new Error('no record');
  const data = '{"2":1e3,"10":0.10}';
  const answer = printPullAnswer({
    ...{ checkpoint: 'c', position: 1, epoch: '', hasMore: false, serverTime: '' },
    records: [{ ...stored, data }],
  });
  expect(answer.toString()).toContain(`"data":${data},`);
});
