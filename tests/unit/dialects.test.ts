import { describe, expect, test } from 'vitest';
import { colony } from '../../src/systems/colony/dialect.ts';
import { dialectOf, dialectsFor } from '../../src/systems/dialects.ts';
import { freight } from '../../src/systems/freight/dialect.ts';
import { plain, refuseDuplicateMember } from '../../src/protocol/dialect.ts';
import { salesEventSchema } from '../../src/systems/sales/dialect.ts';
import { sales } from '../../src/systems/sales/dialect.ts';
import { RequestProblem } from '../../src/domain/errors.ts';
import { bundledKinds } from '../../src/systems/bundled.ts';
import { timestampSchema } from '../../src/domain/timestamp.ts';

test.each<[what: string, body: unknown, name: string]>([
  ['a bare array', [], 'colony'],
  ['an envelope', { events: [{ identityKey: 'k' }, null, 5] }, 'plain'],
  ['an envelope with one clientRequestId', { events: [{}, { clientRequestId: 1 }] }, 'freight'],
  ['an envelope without events', { events: { clientRequestId: 1 } }, 'plain'],
  ['not an object', null, 'plain'],
])('a body that is %s is recognized', (_what, body, name) => {
  expect(
    dialectOf(
      body,
      dialectsFor(() => true),
    ).name,
  ).toBe(name);
});

describe('a dialect is enabled if the service has one of its kinds', () => {
  const on = (...kinds: readonly string[]) =>
    [...dialectsFor((name) => kinds.includes(name))].map(({ name }) => name);

  test.each<[kind: string, name: string]>([
    ...['structure.build', 'research.queue', 'unit.train'].map((kind): [string, string] => [
      kind,
      'colony',
    ]),
    ...['shipment.create', 'quote.update', 'invoice.create'].map((kind): [string, string] => [
      kind,
      'freight',
    ]),
    ...['ticket.opened', 'ticket.closed', 'sale.recorded', 'sale.voided'].map(
      (kind): [string, string] => [kind, 'sales'],
    ),
  ])('%s: %s', (kind, name) => {
    expect(on(kind)).toEqual([name]);
  });

  test('no dialect is enabled without these kinds', () => {
    expect(on('book.put', 'note.put', 'resource.put', 'empire.put')).toEqual([]);
  });

  test('each dialect names kinds that come with Landfall', () => {
    const names = bundledKinds.map(({ name }) => name);
    for (const { kinds } of [colony, freight, sales]) {
      expect(names).toEqual(expect.arrayContaining([...kinds]));
    }
  });

  test.each<unknown>([[], [{ kind: 'unit' }], { events: [{ clientRequestId: 'k' }] }])(
    'a body of one that is off is read as the plain one: %j',
    (body) => {
      expect(
        dialectOf(
          body,
          dialectsFor(() => false),
        ).name,
      ).toBe('plain');
    },
  );
});

test.each([
  ['plain', plain.adapt({ identityKey: 'k1', kind: 'a.b' }), 'kind', 'k1', {}],
  ['plain, its key', plain.adapt({ identityKey: 'k1' }), 'identityKey', null, {}],
  ['colony', colony.adapt({ kind: 'unit', payload: { identityKey: 'k1' } }), 'kind', 'k1', {}],
  ['freight', freight.adapt({ clientRequestId: 'r1' }), 'kind', 'r1', { clientRequestId: 'r1' }],
  ['freight, its key', freight.adapt({ clientRequestId: 'r1' }), 'clientRequestId', null, {}],
  ['sales, another field', sales.adapt({ id: 'e1' }), 'seq', 'e1', {}],
  ['sales, its key', sales.adapt({ id: 'e1' }), 'id', null, {}],
  ['not an event', plain.adapt([]), 'x', null, {}],
] as const)('an event with a member twice is refused: %s', (_what, reading, member, key, alias) => {
  const refused = refuseDuplicateMember(reading, member);
  const failure = { code: 'INVALID_EVENT', path: member };
  expect(refused).toMatchObject({ ok: false, identityKey: key, failure });
  expect(refused.alias).toEqual(alias);
  expect(refused.pathOf('identityKey')).toBe('identityKey');
});

describe('colony', () => {
  const payload = { identityKey: 'k1', empireId: 'e7', catalogKey: 'laser' };

  test.each([
    ['research', 'research.queue'],
    ['structure', 'structure.build'],
    ['structures', 'structure.build'],
    ['unit', 'unit.train'],
    ['units', 'unit.train'],
    ['research.queue', 'research.queue'],
    ['toString', 'toString'],
  ])('%s is the kind %s, also if the payload repeats it', (kind, full) => {
    const event = {
      kind: full,
      identityKey: 'k1',
      payload: { empireId: 'e7', catalogKey: 'laser' },
    };
    for (const again of [{}, { kind }, { kind: full }, { kind: null }]) {
      const reading = colony.adapt({ kind, payload: { ...payload, ...again } });
      expect(reading.ok && reading.event).toEqual(event);
    }
  });

  test.each<[what: string, raw: object, key: string | null, path: string]>([
    [
      'another kind in its payload',
      { kind: 'research', payload: { ...payload, kind: 'structure' } },
      'k1',
      'payload.kind',
    ],
    [
      'a kind that is a number in its payload',
      { kind: 'unit', payload: { ...payload, kind: 0 } },
      'k1',
      'payload.kind',
    ],
    [
      'its key outside the payload',
      { kind: 'unit', identityKey: 'k2', payload: {} },
      'k2',
      'identityKey',
    ],
    ['a key beside the payload', { kind: 'unit', identityKey: 'k1', payload }, 'k1', 'identityKey'],
    ['no readable key', { kind: 'unit', identityKey: 5, payload: null }, null, 'identityKey'],
  ])('an event with %s is refused', (_what, raw, identityKey, path) => {
    const failure = { code: 'INVALID_EVENT', path };
    expect(colony.adapt(raw)).toMatchObject({ ok: false, identityKey, failure });
  });

  test('the path of the key becomes a path in the payload, and no other path changes', () => {
    const { pathOf } = colony.adapt({ kind: 'unit', payload });
    const paths = ['identityKey', 'identityKey.a', 'identityKeys', 'payload.empireId', 'kind'];
    expect(paths.map(pathOf)).toEqual([
      'payload.identityKey',
      'payload.identityKey.a',
      ...paths.slice(2),
    ]);
  });
});

describe('freight', () => {
  test('clientRequestId is the key, and failures name the event by it', () => {
    const { alias, pathOf, ...reading } = freight.adapt({ clientRequestId: 'r1', kind: 'a.b' });
    expect(reading).toEqual({ ok: true, event: { identityKey: 'r1', kind: 'a.b' } });
    expect(alias).toEqual({ clientRequestId: 'r1' });
    expect(['identityKey', 'kind'].map(pathOf)).toEqual(['clientRequestId', 'kind']);
  });

  test('an event may have both keys if they are equal', () => {
    const { alias, pathOf, ...reading } = freight.adapt({
      clientRequestId: 'r1',
      identityKey: 'r1',
    });
    expect(reading).toEqual({ ok: true, event: { identityKey: 'r1' } });
    expect(alias).toEqual({ clientRequestId: 'r1' });
    expect(pathOf('identityKey')).toBe('identityKey');
  });

  test.each<[identityKey: unknown, clientRequestId: unknown, named: object]>([
    ['k1', 'r1', { identityKey: 'k1', alias: { clientRequestId: 'r1' } }],
    ['k1', 5, { identityKey: 'k1', alias: { clientRequestId: null } }],
    [5, 'r1', { identityKey: null, alias: { clientRequestId: 'r1' } }],
    [{}, {}, { identityKey: null, alias: { clientRequestId: null } }],
  ])('the different keys %j and %j are refused', (identityKey, clientRequestId, named) => {
    expect(freight.adapt({ identityKey, clientRequestId })).toMatchObject({
      ...named,
      ok: false,
      failure: { code: 'INVALID_EVENT', path: 'clientRequestId' },
    });
  });

  test('a key that is null is treated as if it were not sent', () => {
    const named = freight.adapt({ clientRequestId: 'r1', identityKey: null, kind: 'a.b' });
    expect(named).toMatchObject({ ok: true, event: { identityKey: 'r1', kind: 'a.b' } });
    expect(named.alias).toEqual({ clientRequestId: 'r1' });
    const plainly = freight.adapt({ clientRequestId: null, identityKey: 'k1', kind: 'a.b' });
    expect(plainly).toMatchObject({ ok: true, alias: {} });
    expect(plainly.ok && plainly.event).toEqual({ identityKey: 'k1', kind: 'a.b' });
  });

  test('an event without clientRequestId in the same batch is not changed', () => {
    const event = { identityKey: 'k1', kind: 'a.b' };
    expect(freight.adapt(event)).toMatchObject({ ok: true, event, alias: {} });
  });
});

describe('sales', () => {
  const event = {
    id: 'ev-1',
    seq: 2,
    at: Date.UTC(2026, 10, 21, 9, 12, 0, 5),
    type: 'sale.recorded',
    aggregate: { id: 't1', type: 'ticket' },
    payload: { total: 12.5 },
  };

  test('an event is translated field by field, and the id of its aggregate is added to the payload', () => {
    const reading = sales.adapt(event);
    expect(reading.ok && reading.event).toEqual({
      identityKey: 'ev-1',
      sequence: 2,
      occurredAt: '2026-11-21T09:12:00.005Z',
      kind: 'sale.recorded',
      version: 1,
      payload: { total: 12.5, ticketId: 't1' },
    });
  });

  test.each<[what: string, fields: object, code: string, path: string]>([
    ['no id', { id: undefined }, 'INVALID_EVENT', 'id'],
    ['a seq of 0', { seq: 0 }, 'INVALID_EVENT', 'seq'],
    ['no seq', { seq: undefined }, 'INVALID_EVENT', 'seq'],
    ['a time as text', { at: '2026-11-21T09:12:00Z' }, 'INVALID_TIMESTAMP', 'at'],
    ['a time in microseconds', { at: Date.UTC(2026, 0) * 1000 }, 'INVALID_TIMESTAMP', 'at'],
    ['half a millisecond', { at: 1.5 }, 'INVALID_TIMESTAMP', 'at'],
    ['no type', { type: undefined }, 'INVALID_EVENT', 'type'],
    [
      'another aggregate',
      { aggregate: { id: 't1', type: 'till' } },
      'INVALID_EVENT',
      'aggregate.type',
    ],
    ['no aggregate id', { aggregate: { type: 'ticket' } }, 'INVALID_EVENT', 'aggregate.id'],
    ['another ticket', { payload: { ticketId: 't2' } }, 'INVALID_EVENT', 'payload.ticketId'],
    ['no payload', { payload: undefined }, 'INVALID_EVENT', 'payload'],
    ['an unknown field', { colour: 'red' }, 'INVALID_EVENT', 'colour'],
    ['the protocol’s own name of a field', { kind: 'sale.recorded' }, 'INVALID_EVENT', 'kind'],
    ['a precondition', { baseVersion: 1 }, 'INVALID_EVENT', 'baseVersion'],
    ['the id ..', { aggregate: { id: '..', type: 'ticket' } }, 'INVALID_EVENT', 'aggregate.id'],
    [
      'a prototype',
      { payload: JSON.parse('{"a":{"__proto__":1}}') },
      'INVALID_PAYLOAD',
      'payload.a.__proto__',
    ],
    ['U+0000 in a text', { type: 'a\u0000' }, 'INVALID_TEXT', 'type'],
    ['a number beyond 2^53', { seq: 2 ** 53 }, 'INVALID_NUMBER', 'seq'],
  ])('an event with %s is refused with the client’s names', (_what, fields, code, path) => {
    const reading = sales.adapt({ ...event, ...fields });
    expect(reading).toMatchObject({ ok: false, failure: { code, path } });
    const { id } = { ...event, ...fields };
    expect(reading).toMatchObject({ identityKey: id ?? null });
    expect(reading.pathOf(path)).toBe(path);
  });

  test('optional fields may be null, and the event may name its account', () => {
    const nulls = { version: null, tenant: null, subject: null };
    const reading = sales.adapt({ ...event, ...nulls });
    expect(reading).toMatchObject({ ok: true, event: { version: 1, tenant: null } });
    const named = sales.adapt({ ...event, tenant: 't1', subject: 'ada' });
    expect(named).toMatchObject({ ok: true, event: { tenant: 't1', subject: 'ada' } });
  });

  test('a payload that is not an object is passed to its kind, which refuses it', () => {
    const reading = sales.adapt({ ...event, payload: [] });
    expect(reading).toMatchObject({ ok: true, event: { payload: [] } });
  });

  test('later failures have the paths of the client', () => {
    const { pathOf } = sales.adapt(event);
    const ours = [
      'identityKey',
      'sequence',
      'occurredAt',
      'kind',
      'payload.ticketId',
      'payload.total',
    ];
    expect(ours.map(pathOf)).toEqual(['id', 'seq', 'at', 'type', 'aggregate.id', 'payload.total']);
  });

  test('its times are the times that the protocol accepts, in milliseconds', () => {
    const [first, last] = [Date.UTC(1900, 0, 1), Date.UTC(2200, 0, 1) - 1];
    for (const at of [first - 1, first, 0, last, last + 1]) {
      const taken = timestampSchema.safeParse(new Date(at).toISOString()).success;
      expect(salesEventSchema.safeParse({ ...event, at }).success).toBe(taken);
    }
  });

  test('its envelope is an array, or an object with events and optionally sentAt', () => {
    const plainly = { atomic: false, conflicts: 'keep' };
    const sentAt = '2026-11-21T10:00:05.000Z';
    expect(sales.parseEnvelope([event])).toEqual({ events: [event], ...plainly });
    const envelope = { events: [event], sentAt };
    const micros = Date.parse(sentAt) * 1000;
    expect(sales.parseEnvelope(envelope)).toEqual({ ...envelope, sentAt: micros, ...plainly });
    for (const unusable of [5, 'now', {}, null]) {
      const read = sales.parseEnvelope({ events: [event], sentAt: unusable });
      expect(read).toEqual({ events: [event], sentAt: null, ...plainly });
    }
    for (const body of [null, 5, 'x', {}, { events: {} }, { ...envelope, atomic: true }]) {
      expect(() => sales.parseEnvelope(body)).toThrow(RequestProblem);
    }
  });
});
