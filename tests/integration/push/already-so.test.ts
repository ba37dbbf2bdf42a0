import { afterAll, beforeAll, expect, test } from 'vitest';
import { auditOf } from '../../testkit/app/audit.ts';
import { documentKinds } from '../../testkit/kinds/document-kinds.ts';
import {
  nextKey,
  patchNote,
  putNote,
  removeNote,
  type SentEvent,
} from '../../testkit/events/sent-events.ts';
import { createTenant } from '../../testkit/app/tenant.ts';
import { bundledKinds } from '../../../src/systems/bundled.ts';
import { startApp, type TestApp } from '../../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: [...bundledKinds, ...documentKinds('doc')] });
});
afterAll(() => service.close());

const send = (kind: string, payload: object, rest: object = {}): SentEvent => ({
  identityKey: nextKey(),
  kind,
  payload,
  ...rest,
});
const invoice = { invoiceId: 'i1', customer: 'c', amountCents: 100, currency: 'EUR' };
const resource = { resourceType: 'Customer', resourceId: 'r1', resourceVersion: 0 };

type Turn = 'first' | 'second';

/** The event that makes the record, and the edit that two devices make on its first version. */
const same: readonly [string, SentEvent, (turn: Turn) => SentEvent][] = [
  ['puts', putNote('n1', { title: 'A' }), () => putNote('n1', { title: 'B' }, { baseVersion: 1 })],
  [
    'patches',
    putNote('n1', { title: 'A' }),
    () => patchNote('n1', { title: 'B' }, { baseVersion: 1 }),
  ],
  ['removes', putNote('n1'), () => removeNote('n1', { baseVersion: 1 })],
  [
    'puts whose fields stand in another order',
    send('doc.put', { id: 'n1', fields: { a: 0 } }),
    (turn) => {
      const fields = turn === 'first' ? { a: 1, b: 1 } : { b: 1, a: 1 };
      return send('doc.put', { id: 'n1', fields }, { baseVersion: 1 });
    },
  ],
  [
    'updates of a strict kind',
    send('invoice.create', { ...invoice, status: 'draft' }),
    () => send('invoice.update', { invoiceId: 'i1', status: 'issued' }, { baseVersion: 1 }),
  ],
  [
    'removes whose payload names the version',
    send('resource.put', { ...resource, data: { name: 'Ada' } }),
    () => send('resource.remove', { ...resource, resourceVersion: 1 }),
  ],
];

test.each(same)(
  'of two equal %s on one version the second is a noop, and no conflict',
  async (_what, create, edit) => {
    const tenant = await createTenant(service);
    await tenant.push([create]);
    expect(await tenant.pushStatuses([edit('first')])).toEqual(['applied']);
    const [record] = (await tenant.records()).values();
    const again = edit('second');
    const { processed, results } = await tenant.push([again]);
    expect(processed).toEqual([again.identityKey]);
    expect(results).toMatchObject([{ status: 'noop', version: 3, current: record }]);
    expect((await tenant.push([again])).results).toMatchObject([
      { status: 'duplicate', original: 'noop', current: record },
    ]);
    expect((await auditOf(tenant).conflicts()).conflicts).toEqual([]);
    expect([...(await tenant.records()).values()]).toEqual([record]);
  },
);

test('two equal creates are one, and another one is a conflict', async () => {
  const tenant = await createTenant(service);
  const create = (amountCents: number) =>
    send('invoice.create', { ...invoice, amountCents, status: 'draft' });
  expect(await tenant.pushStatuses([create(100), create(100), create(101)])).toEqual([
    'applied',
    'noop',
    'CONFLICT',
  ]);
});

test('a put that has all that is there and less is a conflict, as it would take a field away', async () => {
  const tenant = await createTenant(service);
  const on = { baseVersion: 1 };
  await tenant.push([send('doc.put', { id: 'd1', fields: { a: 0 } })]);
  await tenant.push([send('doc.put', { id: 'd1', fields: { a: 1, b: 1 } }, on)]);
  const less = send('doc.put', { id: 'd1', fields: { a: 1 } }, on);
  const patched = send('doc.patch', { id: 'd1', fields: { a: 1 } }, on);
  expect(await tenant.pushStatuses([less, patched])).toEqual(['CONFLICT', 'noop']);
});

test('an equal edit of what was deleted since is a conflict', async () => {
  const tenant = await createTenant(service);
  await tenant.push([putNote('n1', { title: 'A' }), removeNote('n1')]);
  expect(await tenant.pushStatuses([putNote('n1', { title: 'A' }, { baseVersion: 1 })])).toEqual([
    'CONFLICT',
  ]);
});
