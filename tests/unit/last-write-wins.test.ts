import { canPatch } from '../../src/domain/kinds/policies/patch.ts';
import { afterNewestWrite } from '../../src/domain/decide/event-time.ts';
import type { RecordContent } from '../../src/domain/record-data.ts';
import { describe, expect, test } from 'vitest';
import { settleWrite } from '../../src/domain/kinds/policies/last-write-wins.ts';
import type { Stamp } from '../../src/domain/record.ts';
import { fc } from './support/property.ts';
import {
  arrive,
  byDefinition,
  patch,
  purged,
  put,
  remove,
  settleLast,
  type Sent,
  seen,
  shuffled,
  stored,
  writesTo,
} from './support/writes.ts';

const runs = { numRuns: 1000 };
const ordinary = ['a', 'b', 'c'];
/** Every object inherits the last two; a kind with free field names meets them. */
const inherited = ['a', 'toString', 'constructor'];

const recordAfter = (...sent: readonly Sent[]) => seen(arrive(sent));

describe('in every order of arrival', () => {
  test.each([
    ['ordinary fields', ordinary, false],
    ['fields with names that every object inherits', inherited, false],
    ['puts that do not know some of the fields', inherited, true],
  ])(
    'the same writes give the same record, with the greatest write of each field: %s',
    (...row) => {
      const [, names, withOlderPuts] = row;
      const orders = writesTo(names, withOlderPuts).chain((writes) =>
        fc.tuple(fc.constant(writes), shuffled(writes)),
      );
      fc.assert(
        fc.property(orders, ([writes, shuffledWrites]) => {
          const expected = byDefinition(writes);
          expect(seen(arrive(writes))).toEqual(expected);
          expect(seen(arrive(shuffledWrites))).toEqual(expected);
        }),
        runs,
      );
    },
  );

  test('writes that are sent again, at once or much later, change nothing', () => {
    const again = writesTo(ordinary, true).chain((writes) =>
      fc.tuple(fc.constant(writes), fc.subarray(writes)),
    );
    fc.assert(
      fc.property(again, ([writes, resent]) => {
        const record = arrive(writes);
        let standing = record;
        for (const { write, stamp } of resent) {
          if (write.policy === 'patch' && !canPatch(standing)) continue;
          const settled = settleWrite(standing, write, stamp);
          expect(settled.changed).toBe(false);
          expect(settled.outcome).not.toBe('applied');
          standing = stored(settled.record);
        }
        expect(standing).toEqual(record);
      }),
      runs,
    );
  });

  test('`changed` tells whether the data or the deletion changed, and `applied` only occurs with a change', () => {
    fc.assert(
      fc.property(writesTo(ordinary, true), (writes) => {
        let record: RecordContent | undefined;
        for (const { write, stamp } of writes) {
          if (write.policy === 'patch' && !canPatch(record)) continue;
          const settled = settleWrite(record, write, stamp);
          const differs = JSON.stringify(seen(settled.record)) !== JSON.stringify(seen(record));
          expect(settled.changed).toBe(differs);
          // Data under a tombstone may change by a write that is superseded by the remove.
          const possible = { applied: [true], noop: [false], superseded: [true, false] };
          expect(possible[settled.outcome]).toContain(settled.changed);
          record = stored(settled.record);
        }
      }),
      runs,
    );
  });
});

describe('after a tombstone was purged', () => {
  test('no field of a live record has a value that had lost before', () => {
    const histories = writesTo(ordinary).chain((writes) =>
      fc.tuple(fc.constant(writes), fc.array(fc.boolean(), { minLength: 9, maxLength: 9 })),
    );
    fc.assert(
      fc.property(histories, ([writes, purges]) => {
        const accepted: Sent[] = [];
        let record: RecordContent | undefined;
        for (const [at, sent] of writes.entries()) {
          if (sent.write.policy !== 'patch' || canPatch(record)) {
            record = stored(settleWrite(record, sent.write, sent.stamp).record);
            accepted.push(sent);
          }
          if (purges[at]) record = purged(record);
        }
        const expected = byDefinition(accepted);
        const isPurged = record?.deleted && record.data === null;
        expect(seen(record)).toEqual(isPurged ? { deleted: true, data: null } : expected);
      }),
      runs,
    );
  });

  const late = put([5, 'k0'], { a: 0, b: 0 });
  const gone = purged(
    arrive([put([10, 'k1'], { a: 1, b: 1 }), put([20, 'k2'], { a: 2, b: 2 }), remove([30, 'k3'])]),
  );

  test('a put that had lost leaves no data, and a patch waits for a put that is newer than the remove', () => {
    const settled = settleWrite(gone, late.write, late.stamp);
    expect(settled).toMatchObject({ outcome: 'superseded', changed: false });
    expect(seen(settled.record)).toEqual({ deleted: true, data: null });
    expect(canPatch(settled.record)).toBe(false);
  });

  test('a put between the newest put and the remove leaves no data either', () => {
    const settled = settleWrite(gone, put([25, 'k4'], { a: 4 }).write, [25, 'k4']);
    expect(settled.outcome).toBe('superseded');
    expect(seen(settled.record)).toEqual({ deleted: true, data: null });
  });

  test('a put newer than the remove brings the record back', () => {
    const settled = settleWrite(gone, put([31, 'k4'], { a: 4 }).write, [31, 'k4']);
    expect(settled.outcome).toBe('applied');
    expect(seen(settled.record)).toEqual({ deleted: false, data: { a: 4 } });
    expect(canPatch(settled.record)).toBe(true);
  });
});

describe('a put that does not know a field', () => {
  const older = (stamp: Stamp, a: number) => put(stamp, { a, b: 0 }, ['b']);

  test('does not change the field', () => {
    const sent = [put([1, 'k1'], { a: 1, b: 7 }), older([2, 'k2'], 2)];
    expect(settleLast(...sent)).toMatchObject({ outcome: 'applied', partly: false });
    expect(recordAfter(...sent)).toEqual({ deleted: false, data: { a: 2, b: 7 } });
  });

  test('does not add the field if the record does not have it', () => {
    const sent = [put([1, 'k1'], { a: 1 }), older([2, 'k2'], 2)];
    expect(recordAfter(...sent)).toEqual({ deleted: false, data: { a: 2 } });
  });

  test('writes its default if there is no record, and every put or patch wins over the default', () => {
    expect(recordAfter(older([5, 'k1'], 1))).toEqual({ deleted: false, data: { a: 1, b: 0 } });
    for (const late of [put([2, 'k2'], { a: 2, b: 7 }), patch([2, 'k2'], { b: 7 })]) {
      expect(settleLast(older([5, 'k1'], 1), late).outcome).toBe('applied');
      expect(recordAfter(older([5, 'k1'], 1), late)).toEqual({
        deleted: false,
        data: { a: 1, b: 7 },
      });
    }
  });

  test('is a noop if only that field differs', () => {
    const settled = settleLast(put([1, 'k1'], { a: 1, b: 7 }), older([2, 'k2'], 1));
    expect(settled).toMatchObject({ outcome: 'noop', changed: false });
  });

  test('writes its default if the value was purged', () => {
    const gone = purged(arrive([put([1, 'k1'], { a: 1, b: 7 }), remove([2, 'k2'])]));
    const back = settleWrite(gone, older([3, 'k3'], 3).write, [3, 'k3']).record;
    expect(seen(back)).toEqual({ deleted: false, data: { a: 3, b: 0 } });
    const late = settleWrite(back, patch([1, 'k0'], { b: 5 }).write, [1, 'k0']);
    expect(late.outcome).toBe('superseded');
  });
});

describe('a put', () => {
  test('creates a record, and a later put replaces it completely', () => {
    const created = put([1, 'k1'], { a: 1, b: 1 });
    expect(settleLast(created)).toMatchObject({ outcome: 'applied', changed: true });
    expect(settleLast(created, put([2, 'k2'], { a: 2 })).outcome).toBe('applied');
    expect(recordAfter(created, put([2, 'k2'], { a: 2 }))).toEqual({
      deleted: false,
      data: { a: 2 },
    });
  });

  test('that writes the current data is a noop', () => {
    const settled = settleLast(put([1, 'k1'], { a: 1, b: 2 }), put([2, 'k2'], { b: 2, a: 1 }));
    expect(settled).toMatchObject({ outcome: 'noop', changed: false });
  });

  test('without fields on a record without fields is a noop', () => {
    expect(settleLast(put([1, 'k1'], {}), put([2, 'k2'], {})).outcome).toBe('noop');
  });

  test('that is older than the newest put is superseded', () => {
    const settled = settleLast(put([2, 'k2'], { a: 2 }), put([1, 'k1'], { a: 1, b: 1 }));
    expect(settled).toMatchObject({ outcome: 'superseded', changed: false });
    expect(seen(settled.record)).toEqual({ deleted: false, data: { a: 2 } });
  });

  test('that arrives late loses only against the fields patched after it', () => {
    const sent = [put([1, 'k1'], { a: 1, b: 1 }), patch([5, 'k2'], { a: 5 })];
    const late = put([3, 'k3'], { a: 3, b: 3, c: 3 });
    expect(settleLast(...sent, late).outcome).toBe('applied');
    expect(recordAfter(...sent, late)).toEqual({ deleted: false, data: { a: 5, b: 3, c: 3 } });
  });

  test('that arrives late wins against the fields patched before it', () => {
    const sent = [put([1, 'k1'], { a: 1, b: 1 }), patch([2, 'k2'], { a: 2 })];
    expect(recordAfter(...sent, put([3, 'k3'], { b: 3 }))).toEqual({
      deleted: false,
      data: { b: 3 },
    });
  });

  test('that arrives late and loses with all its fields is superseded', () => {
    const sent = [put([1, 'k1'], { a: 1 }), patch([5, 'k2'], { a: 5 })];
    const settled = settleLast(...sent, put([3, 'k3'], { a: 3 }));
    expect(settled).toMatchObject({ outcome: 'superseded', changed: false });
  });

  test('newer than a remove brings the record back with its own fields only', () => {
    const sent = [put([1, 'k1'], { a: 1, b: 1 }), remove([2, 'k2']), put([3, 'k3'], { a: 3 })];
    expect(settleLast(...sent).outcome).toBe('applied');
    expect(recordAfter(...sent)).toEqual({ deleted: false, data: { a: 3 } });
  });

  test('older than a remove is superseded, and its data stays under the tombstone', () => {
    const settled = settleLast(remove([5, 'k1']), put([3, 'k2'], { a: 3 }));
    expect(settled).toMatchObject({ outcome: 'superseded', changed: true });
    expect(seen(settled.record)).toEqual({ deleted: true, data: { a: 3 } });
  });
});

describe('a patch', () => {
  const created = put([1, 'k1'], { a: 1, b: 1 });

  test('needs an earlier put, also under a tombstone', () => {
    expect(canPatch(undefined)).toBe(false);
    expect(canPatch(arrive([remove([1, 'k1'])]))).toBe(false);
    expect(canPatch(arrive([created]))).toBe(true);
    expect(canPatch(arrive([created, remove([2, 'k2'])]))).toBe(true);
  });

  test('changes the fields that it names, so that edits of different fields are both kept', () => {
    const sent = [created, patch([3, 'k3'], { b: 3 }), patch([2, 'k2'], { a: 2 })];
    expect(settleLast(...sent).outcome).toBe('applied');
    expect(recordAfter(...sent)).toEqual({ deleted: false, data: { a: 2, b: 3 } });
  });

  test('wins with the fields that no later write has', () => {
    const sent = [created, patch([3, 'k3'], { b: 3 }), patch([2, 'k2'], { a: 2, b: 2 })];
    expect(settleLast(...sent).outcome).toBe('applied');
    expect(recordAfter(...sent)).toEqual({ deleted: false, data: { a: 2, b: 3 } });
  });

  test('all of whose fields were written later is superseded', () => {
    const settled = settleLast(created, patch([3, 'k3'], { a: 3 }), patch([2, 'k2'], { a: 2 }));
    expect(settled).toMatchObject({ outcome: 'superseded', changed: false });
    expect(settleLast(put([3, 'k3'], { a: 3 }), patch([2, 'k2'], { a: 2 })).outcome).toBe(
      'superseded',
    );
  });

  test('that writes the current values is a noop, but writes before its time lose', () => {
    const same = patch([5, 'k2'], { a: 1 });
    expect(settleLast(created, same)).toMatchObject({ outcome: 'noop', changed: false });
    expect(settleLast(created, same, patch([4, 'k3'], { a: 4 })).outcome).toBe('superseded');
  });

  test('newer than a remove brings the record back with its last data', () => {
    const sent = [created, remove([2, 'k2']), patch([3, 'k3'], { a: 3 })];
    expect(recordAfter(...sent)).toEqual({ deleted: false, data: { a: 3, b: 1 } });
  });
});

describe('a remove', () => {
  const created = put([2, 'k1'], { a: 1 });

  test('keeps the last data under its tombstone', () => {
    expect(settleLast(created, remove([3, 'k2'])).outcome).toBe('applied');
    expect(recordAfter(created, remove([3, 'k2']))).toEqual({ deleted: true, data: { a: 1 } });
  });

  test('of a record that does not exist leaves a tombstone without data, so that late creates lose', () => {
    expect(settleLast(remove([3, 'k1']))).toMatchObject({ outcome: 'applied', changed: true });
    expect(recordAfter(remove([3, 'k1']))).toEqual({ deleted: true, data: null });
  });

  test('older than the newest put or patch is superseded', () => {
    expect(settleLast(created, remove([1, 'k2']))).toMatchObject({ outcome: 'superseded' });
    const edited = [created, patch([4, 'k2'], { a: 4 })];
    expect(settleLast(...edited, remove([3, 'k3']))).toMatchObject({ outcome: 'superseded' });
    expect(recordAfter(...edited, remove([3, 'k3']))?.deleted).toBe(false);
  });

  test('of a removed record is a noop, but writes before its time lose', () => {
    const twice = [created, remove([3, 'k2']), remove([5, 'k3'])];
    expect(settleLast(...twice)).toMatchObject({ outcome: 'noop', changed: false });
    expect(settleLast(...twice, put([4, 'k4'], { a: 4 })).outcome).toBe('superseded');
    expect(settleLast(created, remove([5, 'k3']), remove([3, 'k2'])).outcome).toBe('superseded');
  });
});

test.each([
  ['the put', [put([3, 'k1'], { a: 3 })]],
  ['a patch', [put([1, 'k1'], { a: 1 }), patch([3, 'k2'], { a: 3 })]],
  ['a remove', [put([1, 'k1'], { a: 1 }), patch([2, 'k2'], { a: 2 }), remove([3, 'k3'])]],
])(
  'an edit that was made on the current record happened after its newest write, which is %s',
  (_what, sent) => {
    const edit = { effectiveAt: 1, clockAdjusted: false };
    expect(afterNewestWrite(arrive(sent), edit, 10)).toEqual({ ...edit, effectiveAt: 4 });
    expect(afterNewestWrite(arrive(sent), { ...edit, effectiveAt: 7 }, 10).effectiveAt).toBe(7);
    expect(afterNewestWrite(arrive(sent), edit, 3).effectiveAt).toBe(3);
  },
);

describe('of two writes in the same microsecond', () => {
  test.each([
    ['a', 'b'],
    ['a', 'aa'],
    ['Z', 'a'],
    ['e', 'é'],
    ['\uFFFD', '\u{1F600}'],
    ['k\uE000', 'k\u{10FFFF}'],
  ])('the key %j loses to %j, as in C collation', (lower, higher) => {
    const low = put([1, lower], { a: 'low' });
    const high = put([1, higher], { a: 'high' });
    expect(recordAfter(low, high)).toEqual({ deleted: false, data: { a: 'high' } });
    expect(recordAfter(high, low)).toEqual({ deleted: false, data: { a: 'high' } });
  });

  test('the remove wins, with any keys', () => {
    for (const [first, second] of [
      [put([1, 'z'], { a: 1 }), remove([1, 'a'])],
      [remove([1, 'a']), put([1, 'z'], { a: 1 })],
    ] as const) {
      expect(recordAfter(first, second)).toEqual({ deleted: true, data: { a: 1 } });
    }
  });
});
