import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { entityType as typeOf, recordData } from '../../src/domain/kinds/record-versions.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';
import { append } from '../../src/domain/kinds/policies/append.ts';
import {
  accept,
  decide,
  patchRecord,
  putRecord,
  reject,
} from '../../src/domain/kinds/policies/decide.ts';
import { patch } from '../../src/domain/kinds/policies/patch.ts';
import { put } from '../../src/domain/kinds/policies/put.ts';
import { remove } from '../../src/domain/kinds/policies/remove.ts';
import { rehearse } from '../../src/testing/rehearse.ts';

const idSchema = z.strictObject({ id: z.string() });
const cup = { entityType: 'cup', entityId: ({ id }: { readonly id: string }) => id };

const kinds = [
  defineKind({
    ...cup,
    name: 'cup.put',
    payload: payload(idSchema.extend({ coins: z.number(), since: z.string().optional() })),
    policy: put(({ coins }) => ({ coins })),
    scope: 'cup:fill',
  }),
  defineKind({
    ...cup,
    name: 'cup.label',
    payload: payload(idSchema.extend({ label: z.string() })),
    policy: patch(({ label }) => ({ label })),
  }),
  defineKind({ ...cup, name: 'cup.remove', payload: payload(idSchema), policy: remove() }),
  defineKind({
    name: 'coin.move',
    entityType: 'move',
    payload: payload(idSchema.extend({ from: z.string(), to: z.string() })),
    entityId: ({ id }) => id,
    failures: { CUP_EMPTY: { retryable: true, retryAfterMs: 500, cause: 'c', remedy: 'r' } },
    policy: decide({
      reads: ({ from, to }) => [from, to].map((entityId) => ({ entityType: 'cup', entityId })),
      decide: ({ id, from, to }, records, { deviceId, subject, receivedAtMs }) => {
        const [giver, taker] = [from, to].map((entityId) => records.find('cup', entityId));
        if (!giver || !taker) return reject('NOT_FOUND', 'no such cup');
        const coins = Number(giver.data.coins);
        if (coins === 0) return reject('CUP_EMPTY', 'the cup is empty');
        return accept(
          patchRecord(giver, { coins: coins - 1 }),
          patchRecord(taker, { coins: Number(taker.data.coins) + 1 }),
          putRecord({ entityType: 'move', entityId: id }, { deviceId, subject, receivedAtMs }),
        );
      },
    }),
  }),
  defineKind({
    name: 'jar.count',
    entityType: 'jar',
    payload: payload(idSchema),
    entityId: ({ id }) => id,
    policy: append((before) => {
      if (before?.count === 2) throw new Error('this jar counts to two');
      return { count: Number(before?.count ?? 0) + 1 };
    }),
  }),
];

let keys = 0;
const event = (kind: string, fields: object, around: object = {}) => {
  keys += 1;
  return { identityKey: `key-${keys}`, kind, payload: fields, ...around };
};
const filled = {
  scopes: ['cup:fill'],
  events: [event('cup.put', { id: 'a', coins: 1 }), event('cup.put', { id: 'b', coins: 0 })],
};
const move = (id: string) => event('coin.move', { id, from: 'a', to: 'b' });
const cupsOf = ({ records }: ReturnType<typeof rehearse>) =>
  records.filter(({ entityType }) => entityType === 'cup').map(({ data }) => data);

describe('a rehearsal that starts with records', () => {
  const v1 = z.object({ coins: z.number() });
  const purse = typeOf(
    'purse',
    recordData(v1).next(z.object({ cents: z.number() }), ({ coins }) => {
      if (coins < 0) throw new Error('a purse is never in debt');
      return { cents: coins * 100 };
    }),
  );
  const pay = defineKind({
    name: 'purse.pay',
    entityType: purse,
    payload: payload(idSchema.extend({ cents: z.number() })),
    entityId: ({ id }) => id,
    policy: append((before, { cents }) => ({ cents: Number(before?.cents ?? 0) + cents })),
  });
  const records = [
    { entityType: 'purse', entityId: 'a', data: { coins: 2 } },
    { entityType: 'purse', entityId: 'b', data: { cents: 7 }, dataVersion: 2 },
    { entityType: 'cup', entityId: 'c', data: { coins: 1 } },
  ];

  test('decides by the newest version of their data, and shows them in that version', () => {
    const label = event('cup.label', { id: 'c', label: 'x' }, { baseVersion: 3 });
    const events = ['a', 'b'].map((id) => event('purse.pay', { id, cents: 1 }));
    const played = rehearse([...kinds, pay], [{ events: [...events, label] }], { records });
    expect(played.answers[0]?.results.map(({ version }) => version)).toEqual([4, 5, 6]);
    expect(played.records.map(({ data }) => data)).toEqual([
      ...[{ cents: 201 }, { cents: 8 }, { coins: 1, label: 'x' }],
    ]);
  });

  test('shows records that no event changed in the newest version', () => {
    const played = rehearse([...kinds, pay], [], { records });
    expect(played.records.map(({ version, data }) => [version, data])).toEqual([
      [1, { cents: 200 }],
      [2, { cents: 7 }],
      [3, { coins: 1 }],
    ]);
    expect(played.records[0]?.updatedAt).toBe('2025-01-01T00:00:00.000Z');
    expect(played.faults).toEqual([]);
  });

  test('reports records that cannot be converted', () => {
    const debt = [{ entityType: 'purse', entityId: 'a', data: { coins: -2 } }];
    const events = [event('purse.pay', { id: 'a', cents: 1 })];
    const played = rehearse([pay], [{ events }], { records: debt });
    expect(played.answers[0]?.failed).toMatchObject([{ code: 'KIND_FAILED', fault: 'server' }]);
    expect(played.records[0]?.data).toEqual({ coins: -2 });
    expect(played.faults).toHaveLength(2);
    expect(played.faults[0]).toMatchObject({ cause: new Error('a purse is never in debt') });
  });
});

describe('a rehearsal', () => {
  test('answers each batch like a push with results, but without a checkpoint', () => {
    const [forbidden] = filled.events;
    const moved = move('m1');
    const { answers } = rehearse(kinds, [filled, { events: [forbidden, moved, 7] }]);
    const [refused, broken] = [
      { identityKey: forbidden?.identityKey, code: 'NOT_ALLOWED' },
      { identityKey: null, index: 2, code: 'INVALID_EVENT' },
    ];
    expect(answers[1]).toEqual({
      success: true,
      processed: [moved.identityKey],
      failed: [expect.objectContaining(refused), expect.objectContaining(broken)],
      results: [
        { ...refused, status: 'failed' },
        { identityKey: moved.identityKey, status: 'applied', version: 3 },
        { ...broken, status: 'failed' },
      ],
      receivedAt: '2026-01-01T00:00:01.000Z',
    });
  });

  test('decides each batch after the batches before it', () => {
    const again = move('m1');
    const batches = [[again], [move('m2')], [again, move('m3')]].map((events) => ({ events }));
    const played = rehearse(kinds, [filled, ...batches]);
    expect(played.answers.at(-1)).toMatchObject({
      results: [
        { status: 'duplicate', version: 3, original: 'applied' },
        { status: 'failed', code: 'CUP_EMPTY' },
      ],
      failed: [{ code: 'CUP_EMPTY', retryable: true, retryAfterMs: 500 }],
    });
    expect(cupsOf(played)).toEqual([{ coins: 0 }, { coins: 1 }]);
  });

  test('shows records like a pull: ordered by version, with their origin, and with tombstones', () => {
    const gone = event('cup.remove', { id: 'a' }, { occurredAt: '2026-03-01T08:00:00.000Z' });
    const batch = { events: [gone], deviceId: 'till', at: '2026-03-01T09:00:00.000Z' };
    const { records } = rehearse(kinds, [filled, batch]);
    expect(records.map(({ entityId, version }) => [entityId, version])).toEqual([
      ['b', 2],
      ['a', 3],
    ]);
    expect(records[1]).toEqual({
      ...{ entityType: 'cup', entityId: 'a', version: 3, deleted: true, data: { coins: 1 } },
      createdAt: '2026-01-01T00:00:00.000Z',
      updatedAt: '2026-03-01T09:00:00.000Z',
      origin: {
        ...{ identityKey: gone.identityKey, kind: 'cup.remove', deviceId: 'till' },
        effectiveAt: '2026-03-01T08:00:00.000Z',
      },
    });
  });

  test('gives kinds the sender and the time of the batch, or else of the options', () => {
    const { records } = rehearse(
      kinds,
      [
        { ...filled, events: [...filled.events, event('cup.put', { id: 'a', coins: 2 })] },
        { events: [move('m1')] },
        { events: [move('m2')], deviceId: 'd1', subject: 'ann' },
      ],
      { deviceId: 'd0', at: '2030-05-05T12:00:00Z' },
    );
    const moves = records.filter(({ entityType }) => entityType === 'move');
    expect(moves.map(({ data }) => data)).toEqual([
      { deviceId: 'd0', subject: null, receivedAtMs: Date.parse('2030-05-05T12:00:01Z') },
      { deviceId: 'd1', subject: 'ann', receivedAtMs: Date.parse('2030-05-05T12:00:02Z') },
    ]);
  });

  test('corrects a clock by sentAt, and stores all events of an atomic batch or none', () => {
    const late = event(
      'cup.label',
      { id: 'a', label: 'x' },
      { occurredAt: '1999-01-01T00:00:00Z' },
    );
    const { answers, records } = rehearse(kinds, [
      filled,
      { atomic: true, events: [event('cup.label', { id: 'b', label: 'no' }), 7] },
      { events: [late], sentAt: '1999-01-01T00:00:00.500Z' },
    ]);
    expect(answers[1]?.failed.map(({ code }) => code)).toEqual(['BATCH_ABORTED', 'INVALID_EVENT']);
    expect(records.map(({ data }) => data)).toEqual([{ coins: 0 }, { coins: 1, label: 'x' }]);
    expect(records[1]?.origin.effectiveAt).toBe('2026-01-01T00:00:01.500Z');
  });

  test('never receives an event before an earlier one, even if the time is set back', () => {
    const { answers, records } = rehearse(kinds, [
      { ...filled, at: '2030-01-01T00:00:00Z' },
      { events: [event('cup.label', { id: 'a', label: 'x' })], at: '2029-01-01T00:00:00Z' },
    ]);
    expect(answers[1]?.receivedAt).toBe('2030-01-01T00:00:00.000Z');
    expect(records.at(-1)?.data).toEqual({ coins: 1, label: 'x' });
  });

  test('returns what a kind threw, which clients do not get', () => {
    const count = () => event('jar.count', { id: 'j' });
    const { answers, faults } = rehearse(kinds, [{ events: [count(), count(), count()] }]);
    expect(answers[0]?.failed).toMatchObject([{ code: 'KIND_FAILED', retryable: true }]);
    expect(faults).toEqual([new Error('this jar counts to two')]);
    expect(rehearse(kinds, [filled]).faults).toEqual([]);
  });

  test('sends events as JSON, like HTTP', () => {
    const since = new Date(0);
    const sent = event('cup.put', { id: 'a', coins: 1, since, unset: undefined });
    const { answers } = rehearse(kinds, [{ ...filled, events: [sent] }]);
    expect(answers[0]?.failed).toEqual([]);
  });

  test('gives the same result every time, and starts without records', () => {
    const batches = [filled, { events: [move('m1')] }];
    const once = rehearse(kinds, batches);
    expect(once.records).toHaveLength(3);
    expect(rehearse(kinds, batches)).toEqual(once);
  });

  test.each([
    ['kinds that cannot be combined', () => rehearse([...kinds, ...kinds], []), 'defined twice'],
    ['an invalid time', () => rehearse(kinds, [], { at: 'noon' }), 'RFC 3339'],
    ['an invalid sentAt', () => rehearse(kinds, [{ events: [], sentAt: '?' }]), 'RFC 3339'],
  ])('refuses %s', (_what, play, message) => {
    expect(play).toThrow(message);
  });
});
