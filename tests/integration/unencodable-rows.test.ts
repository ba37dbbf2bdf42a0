import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPool, type SchemaPool } from '../../src/postgres/client/pool.ts';
import { createIngestStore } from '../../src/postgres/ingest/postgres-ingest-store.ts';
import { TenantNumbers } from '../../src/postgres/tenants/tenant-numbers.ts';
import { hashKey, type StoredEvent } from '../../src/domain/event.ts';
import type { TenantWrites } from '../../src/ingest/ingest-store.ts';
import { startWorkBudget } from '../../src/scheduling/work-budget.ts';
import type { RecordState } from '../../src/domain/record.ts';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { withClient } from '../testkit/postgres/client.ts';

let database: TestDatabase;
let pool: SchemaPool;
beforeAll(async () => {
  database = await createDatabase();
  pool = createPool({ connectionString: database.url, max: 1, onIdleError: () => {} });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const event: StoredEvent = {
  ...{ version: 1, identityKey: 'k1', keyHash: hashKey('k1'), fingerprint: null, kind: 'note.put' },
  previousVersion: null,
  ...{ kindVersion: 1, entityType: 'note', entityId: 'n1', outcome: 'applied' },
  ...{ deviceId: null, subject: null, occurredAt: null, effectiveAt: 1, receivedAt: 1 },
  ...{ clockAdjusted: false, baseVersion: null, baseKey: null, sequence: null, payload: '{}' },
  ...{ recordBefore: 0, recordAfter: 1, resolves: null },
};
const record: RecordState = {
  ...{
    entityType: 'note',
    entityId: 'n1',
    version: 1,
    deleted: false,
    data: '{}',
    dataVersion: 1,
    clock: {},
  },
  ...{ sequence: null, lastEvent: 1, originKey: 'k1', originKind: 'note.put', originDevice: null },
  ...{ originAt: 1, createdAt: 1, updatedAt: 1 },
};

test.each([
  ['an event', { events: [{ ...event, sequence: 2 ** 70 }], records: [record] }],
  ['a record', { events: [event], records: [{ ...record, updatedAt: 0.5 }] }],
])(
  '%s that cannot be encoded leaves nothing of its transaction stored, and the connection usable',
  async (_what, rows) => {
    const store = createIngestStore(pool, {
      ...{ numbers: new TenantNumbers(pool), onRetry: () => {} },
    });
    const needs = {
      ...{ tenantId: 't1', keyHashes: [], baseKeyHashes: [], entities: [], bases: [] },
    };
    const write = (writes: Omit<TenantWrites, 'tenantId'>) =>
      store.runTransaction({ tenantIds: ['t1'], mayRetry: true }, async (transaction) => {
        await transaction.load([needs], () => true);
        await transaction.writeAndCommit([{ tenantId: 't1', ...writes }], startWorkBudget());
      });
    const plan = { head: 1, effects: [], ...rows };
    await expect(write(plan)).rejects.toThrow('no safe integer');
    const stored = await withClient(database.url, (client) =>
      client.query(`SELECT version FROM event_log UNION ALL SELECT version FROM records
                  UNION ALL SELECT head FROM tenants WHERE head > 0`),
    );
    expect(stored.rows).toEqual([]);
    await write({ ...plan, events: [], records: [] });
  },
);
