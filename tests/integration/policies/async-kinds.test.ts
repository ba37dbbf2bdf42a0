import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { auditOf } from '../../testkit/app/audit.ts';
import { putNote } from '../../testkit/events/sent-events.ts';
import { createTenant } from '../../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';
import { collectUnhandledRejections } from '../../testkit/processes/unhandled-rejections.ts';
import { asyncKinds, formerKinds, kindsWithAsync, send } from '../../unit/support/async-kinds.ts';

const names = asyncKinds.map(({ name }) => name);

let service: TestApp;
let unhandled: ReturnType<typeof collectUnhandledRejections>;
beforeAll(async () => {
  service = await startApp({ kinds: kindsWithAsync });
});
afterAll(() => service.close());
beforeEach(() => {
  unhandled = collectUnhandledRejections();
});
afterEach(() => unhandled.stop());

/** tests/unit/async-kinds.test.ts has each kind alone. */
test('events of kinds that return promises fail, the other events of the batch are stored, and one line is logged', async () => {
  const tenant = await createTenant(service);
  const sent = names.map((name) => send(name));
  const { failed } = await tenant.push([putNote('n1'), ...sent, putNote('n2')]);
  expect(failed.map(({ identityKey }) => identityKey)).toEqual(
    sent.map(({ identityKey }) => identityKey),
  );
  expect(new Set(failed.map(({ code }) => code))).toEqual(new Set(['KIND_FAILED']));
  expect([...(await tenant.records()).keys()]).toEqual(['n1', 'n2']);
  expect(service.logLines.filter(({ event }) => event === 'kind.failed')).toMatchObject([
    { kinds: Object.fromEntries(names.map((name) => [name, 1])) },
  ]);
  expect(await unhandled.all()).toEqual([]);
});

test('conflicts of kinds that return promises since a release can be read, and their resolution is refused', async () => {
  const former = await startApp({ kinds: formerKinds, database: service.database });
  try {
    const tenant = await createTenant(former);
    const audit = auditOf(tenant, service);
    for (const name of names) {
      const loser = send(name, { baseVersion: 0 }, { size: 2 });
      expect(await tenant.pushStatuses([send(name), loser])).toEqual(['applied', 'CONFLICT']);
      expect((await audit.find(loser.identityKey)).status).toBe(200);
      expect(await audit.resolve(loser.identityKey, { resolution: 'force' })).toMatchObject({
        ...{ status: 409, body: { code: 'RESOLUTION_REFUSED', failure: 'KIND_FAILED' } },
      });
    }
    expect(await unhandled.all()).toEqual([]);
  } finally {
    await former.close();
  }
});
