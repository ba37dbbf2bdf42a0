import { fc } from './property.ts';

const timeArbitrary = fc.date({
  min: new Date('1900-01-01T00:00:00.000Z'),
  max: new Date('2199-12-31T23:59:59.999Z'),
  noInvalidDate: true,
});
const keyArbitrary = fc
  .stringMatching(/^[a-z0-9 .:-]{1,20}$/)
  .filter((key) => !/^\.\.?$/.test(key));

export type TicketEvent =
  typeof ticketEventArbitrary extends fc.Arbitrary<infer Event> ? Event : never;

/** Valid events in the protocol's own words. */
export const ticketEventArbitrary = fc.record({
  identityKey: keyArbitrary,
  kind: fc.constantFrom('ticket.opened', 'sale.recorded'),
  version: fc.integer({ min: 1, max: 3 }),
  occurredAt: timeArbitrary.map((time) => time.toISOString()),
  sequence: fc.integer({ min: 1, max: 1000 }),
  payload: fc
    .dictionary(
      fc.constantFrom('sku', 'constructor', 'toString'),
      fc.oneof(fc.integer(), fc.constantFrom('', 'x', null, true, [], {})),
    )
    .chain((fields) => keyArbitrary.map((ticketId) => ({ ...fields, ticketId }))),
});

/** Fields as a client may get them wrong: missing, of another type, out of range. */
function nearly(fields: Readonly<Record<string, unknown>>): fc.Arbitrary<object> {
  const wrong = fc.oneof(
    fc.constantFrom<unknown>('', '\u0000', '\ud800', null, 0, -1, 1.5, 2 ** 53, true, [], {}),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const model = Object.entries(fields).map(
    ([name, right]) =>
      [name, fc.oneof({ weight: 6, arbitrary: fc.constant(right) }, wrong)] as const,
  );
  const known = fc.record(Object.fromEntries(model), { requiredKeys: [] });
  const unknown = fc.dictionary(fc.constantFrom('colour', 'kind', 'identityKey', 'at'), wrong, {
    maxKeys: 1,
  });
  return fc.oneof(
    { weight: 4, arbitrary: known },
    fc.tuple(known, unknown).map(([some, more]) => ({ ...more, ...some })),
  );
}

const payload = { locationCoord: 'A00:12:34:05', catalogKey: 'laser' };
const around = { version: 1, occurredAt: '2026-11-21T09:12:00.000Z', sequence: 3 };

/** Whatever a body may hold in place of an event, most of it close to one of that dialect. */
export const almostEvents = {
  colony: fc.oneof(
    fc.jsonValue(),
    nearly({ kind: 'research', payload, ...around }),
    nearly({ identityKey: 'k1', kind: 'research', ...payload }).chain((inside) =>
      nearly({ kind: 'research', payload: inside, ...around }),
    ),
  ),
  freight: fc.oneof(
    fc.jsonValue(),
    nearly({ clientRequestId: 'k1', kind: 'invoice.update', payload, baseVersion: 4, ...around }),
    nearly({ clientRequestId: 'k1', identityKey: 'k1', kind: 'invoice.update', payload }),
  ),
  sales: fc.oneof(
    fc.jsonValue(),
    nearly({ id: 'k1', seq: 1, at: 1, type: 'sale.recorded', version: 1, payload }).chain((rest) =>
      nearly({ id: 't1', type: 'ticket' }).map((aggregate) => ({ ...rest, aggregate })),
    ),
  ),
};
