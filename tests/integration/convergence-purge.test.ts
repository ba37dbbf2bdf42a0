import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { documentKinds } from '../testkit/kinds/document-kinds.ts';
import {
  type RandomWrite,
  randomWrites,
  propertyOptions,
  toAcceptedWrite,
  toEvent,
} from '../testkit/events/random-writes.ts';
import { finalState } from '../testkit/oracle/last-write-wins.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { createRetentionRunner } from '../testkit/app/retention.ts';
import { ofTenant } from '../testkit/postgres/tenant-history.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: documentKinds('doc') });
});
afterAll(() => service.close());
beforeEach(() => service.sql('TRUNCATE tenants, events, records, purged_records, conflicts'));

interface Purged {
  /** A day of January 2026: few, so that they tie. */
  readonly day: number;
  /** Whether all tombstones are purged after it. */
  readonly purges: boolean;
}

const historyArbitrary = randomWrites<Purged>(
  { day: fc.integer({ min: 1, max: 5 }), purges: fc.boolean() },
  14,
);
const timeOf = ({ day }: Purged) => Date.UTC(2026, 0, day);

async function expectNothingLostCameBack(tenant: Tenant, deeds: readonly (RandomWrite & Purged)[]) {
  const keys = new Set((await tenant.log()).map(({ identityKey }) => identityKey));
  const accepted = deeds
    .filter(({ identityKey }) => keys.has(identityKey))
    .map((deed) => toAcceptedWrite(deed, timeOf(deed) * 1000));
  const records = await service.sql<{ id: string; deleted: boolean; data: object | null }>(
    `SELECT entity_id AS id, deleted, data FROM records WHERE ${ofTenant}`,
    [tenant.id],
  );
  const expected = records.map(({ id: entityId, deleted, data }) => {
    const of = accepted.filter((event) => event.entityId === entityId);
    const final = finalState(of);
    // A tombstone that was purged has lost its data; what is alive has none that had lost before.
    const isPurged = deleted && data === null;
    return {
      id: entityId,
      deleted: final.deleted,
      data: isPurged ? null : Object.fromEntries(final.data ?? []),
    };
  });
  expect(records).toEqual(expected);
}

test('whatever puts, patches, removes and purges come in which order, no value comes back that had lost', async () => {
  const clean = createRetentionRunner(service, { tombstoneMs: 0 });
  await fc.assert(
    fc.asyncProperty(historyArbitrary, async (deeds) => {
      const tenant = await createTenant(service);
      for (const deed of deeds) {
        const { failed } = await tenant.push([toEvent(deed, timeOf(deed))]);
        for (const { code } of failed) expect(code).toBe('NOT_FOUND');
        if (deed.purges) await clean();
      }
      await expectNothingLostCameBack(tenant, deeds);
    }),
    propertyOptions(25),
  );
}, 120_000);
