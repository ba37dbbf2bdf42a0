import { afterAll, beforeAll, expect, test } from 'vitest';
import { documentKinds, e1, type Fields } from '../testkit/oracle/documents.ts';
import type { SentEvent } from '../testkit/oracle/events.ts';
import { createTenant } from '../testkit/oracle/tenant.ts';
import { startApp, type TestApp } from '../testkit/app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ kinds: documentKinds('doc') });
});
afterAll(() => service.close());

const { put, patch, remove } = e1;

type Case = [name: string, events: SentEvent[], final: { deleted: boolean; data: Fields | null }];

const alive = (data: Fields) => ({ deleted: false, data });
const dead = (data: Fields | null) => ({ deleted: true, data });

const cases: Case[] = [
  ['the newest put wins', [put(1, { a: 1 }), put(3, { a: 3 }), put(2, { a: 2 })], alive({ a: 3 })],
  [
    'fields that a newer put does not name are gone',
    [put(1, { a: 1, b: 1 }), put(2, { a: 2 })],
    alive({ a: 2 }),
  ],
  [
    'patches of different fields both survive',
    [put(1, { a: 1, b: 1 }), patch(2, { a: 2 }), patch(3, { b: 3 })],
    alive({ a: 2, b: 3 }),
  ],
  [
    'of two patches of one field the newer wins',
    [put(1, { a: 1, b: 1 }), patch(3, { a: 3 }), patch(2, { a: 2, b: 2 })],
    alive({ a: 3, b: 2 }),
  ],
  [
    'a put loses only against the fields that were patched after it',
    [put(1, { a: 1, b: 1, c: 1 }), patch(3, { b: 3 }), put(2, { a: 2, b: 2 })],
    alive({ a: 2, b: 3 }),
  ],
  [
    'a put takes away what was patched before it',
    [put(1, { a: 1 }), patch(2, { b: 2 }), put(3, { a: 3 })],
    alive({ a: 3 }),
  ],
  [
    'a patch from before the only put leaves nothing',
    [put(2, { a: 2 }), patch(1, { b: 1 })],
    alive({ a: 2 }),
  ],
  ['a patch may bring a new field', [put(1, {}), patch(2, { b: 2 })], alive({ b: 2 })],
  [
    'null is a value, not an absence',
    [put(1, { a: 1 }), patch(2, { a: null })],
    alive({ a: null }),
  ],
  [
    'fields may be named like what every object has',
    [put(1, { constructor: 1, toString: 1 }), patch(2, { toString: 2 }), patch(1, { valueOf: 1 })],
    alive({ constructor: 1, toString: 2, valueOf: 1 }),
  ],
  [
    'a delete keeps the last data under the tombstone',
    [put(1, { a: 1 }), remove(2)],
    dead({ a: 1 }),
  ],
  [
    'a delete from before the newest put changes nothing',
    [put(1, { a: 1 }), put(3, { a: 3 }), remove(2)],
    alive({ a: 3 }),
  ],
  [
    'a put after a delete brings the record back',
    [put(1, { a: 1 }), remove(2), put(3, { b: 3 })],
    alive({ b: 3 }),
  ],
  [
    'a patch after a delete brings the record back with its other fields',
    [put(1, { a: 1, b: 1 }), remove(2), patch(3, { b: 3 })],
    alive({ a: 1, b: 3 }),
  ],
  [
    'a patch from before a delete lies under the tombstone',
    [put(1, { a: 1, b: 1 }), remove(3), patch(2, { b: 2 })],
    dead({ a: 1, b: 2 }),
  ],
  [
    'only the newest delete counts',
    [put(1, { a: 1 }), remove(2), put(3, { a: 3 }), remove(4)],
    dead({ a: 3 }),
  ],
  [
    'a delete wins over a put of the same moment',
    [put(1, { a: 1 }, 'zzz'), remove(1, 'aaa')],
    dead({ a: 1 }),
  ],
  [
    'a delete wins over a patch of the same moment',
    [put(1, { a: 1 }), patch(2, { a: 2 }, 'zzzz'), remove(2, 'aaaa')],
    dead({ a: 2 }),
  ],
  [
    'of the same moment the greater key wins',
    [put(1, { a: 1 }, 'k1'), put(1, { a: 2 }, 'k2')],
    alive({ a: 2 }),
  ],
  [
    'keys are compared by their bytes: lower case is greater',
    [put(1, { a: 1 }, 'Z'), put(1, { a: 2 }, 'a')],
    alive({ a: 2 }),
  ],
  [
    'keys are compared by their bytes: é is greater than z',
    [put(1, { a: 1 }, 'z1'), put(1, { a: 2 }, 'é')],
    alive({ a: 2 }),
  ],
  [
    'keys are compared by their bytes in UTF-8, not in UTF-16',
    [put(1, { a: 1 }, '\u{FF5E}'), put(1, { a: 2 }, '\u{1F600}')],
    alive({ a: 2 }),
  ],
  [
    'a longer key is greater than its beginning',
    [put(1, { a: 1 }, 'key'), put(1, { a: 2 }, 'key ')],
    alive({ a: 2 }),
  ],
  [
    'keys break ties field by field',
    [put(1, { a: 1, b: 1 }), patch(2, { a: 2, b: 2 }, 'p1'), patch(2, { a: 3 }, 'p2')],
    alive({ a: 3, b: 2 }),
  ],
  [
    'a microsecond decides',
    [
      put('2026-01-01T00:00:00.000002Z', { a: 2 }, 'aa'),
      put('2026-01-01T00:00:00.000001Z', { a: 1 }, 'zz'),
    ],
    alive({ a: 2 }),
  ],
  [
    'what is below a microsecond is cut off',
    [
      put('2026-01-01T00:00:00.0000019Z', { a: 1 }, 'n1'),
      put('2026-01-01T00:00:00.0000011Z', { a: 2 }, 'n2'),
    ],
    alive({ a: 2 }),
  ],
  [
    'times are compared as moments, whatever their zone',
    [put('2026-01-01T12:00:00+14:00', { a: 1 }), put('2025-12-31T23:00:00-01:00', { a: 2 })],
    alive({ a: 2 }),
  ],
  [
    'times before 1970 are times',
    [put('1900-01-01T00:00:00.000001Z', { a: 1 }), put('1969-12-31T23:59:59.999999Z', { a: 2 })],
    alive({ a: 2 }),
  ],
];

test.each(cases)('%s, in whatever order they arrive', async (_name, events, final) => {
  for (const order of permutations(events)) {
    const apart = await createTenant(service);
    let waiting = order;
    for (let round = 0; round < order.length && waiting.length > 0; round += 1) {
      const retry: SentEvent[] = [];
      for (const event of waiting) {
        // Each from a device of its own, as the edits of one device keep their order.
        const { failed } = await apart.push([event]);
        if (failed.length > 0) retry.push(event);
      }
      waiting = retry;
    }
    expect(waiting).toEqual([]);
    expect(await apart.record('e1')).toMatchObject(final);
    const { data } = (await apart.record('e1')) ?? {};
    expect(data).toEqual(final.data);
  }
});

function permutations<Item>(items: readonly Item[]): Item[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, at) =>
    permutations(items.toSpliced(at, 1)).map((rest) => [item, ...rest]),
  );
}
