import { afterAll, beforeAll, expect, test } from 'vitest';
import { documentKinds, e1, type DocumentFields } from '../testkit/kinds/document-kinds.ts';
import type { SentEvent } from '../testkit/events/sent-events.ts';
import { createTenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: documentKinds('doc') });
});
afterAll(() => service.close());

const { put, patch, remove } = e1;
const alive = (data: DocumentFields) => ({ deleted: false, data });
const dead = (data: DocumentFields) => ({ deleted: true, data });

/** The rule itself is tested in tests/unit/last-write-wins.test.ts: these pass HTTP and the stored clocks. */
const cases: [name: string, events: SentEvent[], final: { deleted: boolean; data: object }][] = [
  [
    'a put, a patch and a put between the two',
    [
      put(1, { constructor: 1, b: 1, toString: 1 }),
      patch(3, { constructor: null }),
      put(2, { constructor: 2, b: 2 }),
    ],
    alive({ constructor: null, b: 2 }),
  ],
  [
    'a put, a remove and a patch from before the remove',
    [put(1, { a: 1, b: 1 }), remove(3), patch(2, { b: 2 })],
    dead({ a: 1, b: 2 }),
  ],
  [
    'two puts a microsecond apart, before 1970 and in two time zones',
    [
      put('1969-12-31T12:00:00.000001+14:00', { a: 1 }, 'zz'),
      put('1969-12-30T21:00:00.000002-01:00', { a: 2 }, 'aa'),
    ],
    alive({ a: 2 }),
  ],
  [
    'two puts of one time, whose keys have another order in UTF-16',
    [put(1, { a: 1 }, '\u{FF5E}'), put(1, { a: 2 }, '\u{1F600}')],
    alive({ a: 2 }),
  ],
];

test.each(cases)('%s leave the same record in every order', async (_name, events, final) => {
  for (const order of permutations(events)) {
    const tenant = await createTenant(service);
    let waiting = order;
    for (let round = 0; round < order.length && waiting.length > 0; round += 1) {
      const retry: SentEvent[] = [];
      for (const event of waiting) {
        // Each event has a device of its own, because the edits of one device keep their order.
        const { failed } = await tenant.push([event]);
        if (failed.length > 0) retry.push(event);
      }
      waiting = retry;
    }
    expect(waiting).toEqual([]);
    const { deleted, data } = (await tenant.record('e1')) ?? {};
    expect({ deleted, data }).toEqual(final);
  }
});

test('a write that loses is processed and stored, and its answer has the record that won', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put(2, { a: 2 })]);
  const before = await tenant.record('e1');
  const loser = put(1, { a: 1 });
  const { processed, results } = await tenant.push([loser]);
  expect(processed).toEqual([loser.identityKey]);
  expect(results).toMatchObject([{ status: 'superseded', version: 2, current: before }]);
  expect(await tenant.record('e1')).toEqual(before);
  expect(await tenant.log()).toMatchObject([{}, { outcome: 'superseded' }]);
});

test('a write that lost and is sent again is answered with the record as it is by then', async () => {
  const tenant = await createTenant(service);
  const loser = put(1, { a: 1 });
  for (const event of [put(2, { a: 2 }), loser, put(3, { a: 3 })]) await tenant.push([event]);
  const { results } = await tenant.push([loser]);
  const current = await tenant.record('e1');
  expect(current).toMatchObject(alive({ a: 3 }));
  expect(results).toMatchObject([{ status: 'duplicate', original: 'superseded', current }]);
});

test('a write that changes nothing leaves the record as it is, but older writes lose to its time', async () => {
  const tenant = await createTenant(service);
  await tenant.push([put(1, { a: 1 })]);
  const before = await tenant.record('e1');
  expect(await tenant.pushStatuses([put(3, { a: 1 })])).toEqual(['noop']);
  expect(await tenant.record('e1')).toEqual(before);
  expect(await tenant.pushStatuses([put(2, { a: 2 })])).toEqual(['superseded']);
  expect((await tenant.record('e1'))?.data).toEqual({ a: 1 });
});

test('a pull sends a tombstone again when a late put changes the data under it', async () => {
  const tenant = await createTenant(service);
  await tenant.push([remove(2)]);
  const seen = await tenant.pull({ since: tenant.start });
  expect(seen.changes).toMatchObject([{ entityId: 'e1', deleted: true, version: 1, data: null }]);
  await tenant.push([put(1, { a: 1 })]);
  const { changes } = await tenant.pull({ since: seen.checkpoint });
  expect(changes).toMatchObject([{ entityId: 'e1', deleted: true, version: 2, data: { a: 1 } }]);
});

function permutations<Item>(items: readonly Item[]): Item[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, at) =>
    permutations(items.toSpliced(at, 1)).map((rest) => [item, ...rest]),
  );
}
