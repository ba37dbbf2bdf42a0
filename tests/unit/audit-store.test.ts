import { afterAll, expect, test } from 'vitest';
import { createAuditStore } from '../../src/postgres/audit/postgres-audit-store.ts';
import { createPool } from '../../src/postgres/client/pool.ts';
import { createPrisma } from '../../src/postgres/audit/prisma.ts';
import { TenantNumbers } from '../../src/postgres/tenants/tenant-numbers.ts';

// A port on which nothing listens.
const connectionString = 'postgres://landfall@127.0.0.1:1/landfall';
const pool = createPool({ connectionString, max: 1, onIdleError: () => {} });
const store = createAuditStore(pool, createPrisma(pool), new TenantNumbers(pool));
afterAll(() => pool.end());

const page = { tenantId: 't', entityType: 'note', entityId: 'n', after: 0, limit: 1, maxBytes: 1 };

test.each([
  ['listing conflicts', () => store.listConflicts({ ...page, state: 'open' })],
  ['finding one', () => store.findConflict('t', 'k')],
  ['a history', () => store.readHistory({ ...page, before: undefined })],
  ['receipts', () => store.findReceipts('t', ['k'])],
  ['resends', () => store.addResends([{ tenantId: 't', version: 1, count: 1, lastAt: 1 }])],
])(
  'if the database cannot be reached, the store throws UNAVAILABLE with a retry-after: %s',
  async (_what, ask) => {
    await expect(ask()).rejects.toMatchObject({ code: 'UNAVAILABLE', members: { retryAfter: 1 } });
  },
);
