import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { decodeEvent } from '../../src/domain/decide/decode-event.ts';
import { eventFingerprint, hashKey, isSameEvent, type KnownEvent } from '../../src/domain/event.ts';
import { defineKind } from '../../src/domain/kinds/define-kind.ts';
import { create } from '../../src/domain/kinds/policies/create.ts';
import { put } from '../../src/domain/kinds/policies/put.ts';
import { createRegistry } from '../../src/domain/kinds/registry.ts';
import { payload } from '../../src/domain/kinds/schema-versions.ts';

const schema = z.strictObject({
  id: z.string(),
  title: z.string().default(''),
  deep: z.json().default(null),
  madeOn: z.number().default(0),
});
type Thing = z.infer<typeof schema>;
const thing = { entityType: 'thing', payload: payload(schema), entityId: ({ id }: Thing) => id };
const fields = ({ title, deep }: Thing) => ({ title, deep });
const registry = createRegistry([
  defineKind({ ...thing, name: 'thing.put', policy: put(fields) }),
  defineKind({ ...thing, name: 'thing.create', policy: create(fields) }),
  defineKind({
    ...{ ...thing, name: 'thing.edit', policy: put(fields) },
    baseVersion: ({ madeOn }: Thing) => madeOn,
  }),
]);

function decoded(raw: object) {
  const event = { identityKey: 'k1', kind: 'thing.put', ...raw };
  const sender = { tenantId: 't', subject: null, scopes: [] };
  const result = decodeEvent(event, registry, { maxEventBytes: 10_000, sender });
  if (!result.ok) throw new Error(result.undecoded.failure.message);
  return result.event;
}

/** The event as it stands in the log. */
function stored(raw: object): KnownEvent {
  const event = decoded(raw);
  return { ...event, ...event.envelope, version: 1, outcome: 'applied', previous: undefined };
}

/** The same after retention: the payload is gone, and the fingerprint of the event is kept. */
function dropped(raw: object): KnownEvent {
  const event = stored(raw);
  return { ...event, payload: null, fingerprint: eventFingerprint(event) };
}

const occurredAt = '2026-11-21T09:12:00.000001Z';
const things = [
  { payload: { id: 'a' } },
  { payload: { id: 'a', title: 'é' } },
  { payload: { id: 'a', title: 'é' }, occurredAt },
  { payload: { id: 'a', title: 'é' }, sequence: 1 },
  { payload: { id: 'a', title: 'é' }, baseVersion: 0 },
  { payload: { id: 'a', title: 'é' }, baseVersion: 4 },
  { payload: { id: 'a', title: 'é' }, baseKey: 'k0' },
  { payload: { id: 'a', madeOn: 4 }, kind: 'thing.edit' },
  { payload: { id: 'a', madeOn: 4 }, kind: 'thing.edit', baseVersion: 4 },
  { payload: { id: 'a', madeOn: 4 }, kind: 'thing.edit', baseVersion: 5 },
  { payload: { id: 'a', madeOn: 4 }, kind: 'thing.edit', baseKey: 'k0' },
  { payload: { id: 'a' }, kind: 'thing.create' },
  { payload: { id: 'a', title: 'é' }, kind: 'thing.create' },
  { payload: { id: 'a', deep: [{ b: 1, a: { d: null, c: 1e-7 } }] } },
  { payload: { id: 'a' }, identityKey: 'k2' },
];

describe.each([
  ['with its payload', stored],
  ['without its payload', dropped],
])('a stored event %s', (_what, known) => {
  test('is the same as each resend of it, and as no other event', () => {
    for (const [at, one] of things.entries()) {
      const same = things.filter((other) => isSameEvent(known(one), decoded(other)));
      expect(same, `event ${at}`).toEqual([one]);
    }
  });

  test('is the same in another notation', () => {
    const one = known({ payload: { id: 'a', deep: { b: [1.5, -1], c: 2 } }, occurredAt });
    const other = decoded({
      ...{ baseVersion: null, version: 1, occurredAt: '2026-11-21T10:12:00.0000012+01:00' },
      payload: { deep: { c: 2.0, b: [1.5, -1] }, id: 'a' },
    });
    expect(other.payload).not.toBe(one.payload);
    expect(isSameEvent(one, other)).toBe(true);
  });

  test('is not the same as an event whose key has the same hash only', () => {
    const other = {
      ...decoded({ payload: { id: 'a' }, identityKey: 'k2' }),
      keyHash: hashKey('k1'),
    };
    expect(isSameEvent(known({ payload: { id: 'a' } }), other)).toBe(false);
  });
});

test('a fingerprint is stored only where the other fields do not say what was sent', () => {
  const withFingerprint = things.filter((raw) => decoded(raw).fingerprint !== null);
  expect(withFingerprint).toEqual([
    { payload: { id: 'a', madeOn: 4 }, kind: 'thing.edit' },
    { payload: { id: 'a' }, kind: 'thing.create' },
    { payload: { id: 'a', title: 'é' }, kind: 'thing.create' },
  ]);
});

test('a resend is the same if its kind has begun to read a base from the payload', () => {
  const event = { payload: { id: 'a', madeOn: 4 }, kind: 'thing.edit' };
  const before = { ...stored(event), baseVersion: null, fingerprint: null };
  expect(isSameEvent(before, decoded(event))).toBe(true);
});

test('an event is found by the first half of the SHA-256 of its key', () => {
  expect(hashKey('é-1')).toBe('ac09ccc36d141ca34c1420f0d859cf1f');
  expect(decoded({ payload: { id: 'a' }, identityKey: 'é-1' }).keyHash).toBe(
    'ac09ccc36d141ca34c1420f0d859cf1f',
  );
});
