import { expect, test } from 'vitest';
import { z } from 'zod';
import { colony, colonyEventSchema } from '../../src/systems/colony/dialect.ts';
import { freight, freightEventSchema } from '../../src/systems/freight/dialect.ts';
import { sales, salesEventSchema } from '../../src/systems/sales/dialect.ts';
import { eventSchema } from '../../src/domain/event.ts';
import { findUnsafeJson } from '../../src/domain/json-value.ts';
import { almostEvents, type TicketEvent, ticketEventArbitrary } from './support/dialect-events.ts';
import { fc } from './support/property.ts';

/** Each dialect, with the schema printed for it and how its own clients write an event. */
const dialects = [
  {
    dialect: colony,
    schema: colonyEventSchema,
    almost: almostEvents.colony,
    bodyOf: (events: readonly unknown[]) => events,
    write: ({ identityKey, payload, ...event }: TicketEvent) => ({
      ...event,
      payload: { ...payload, identityKey, kind: event.kind },
    }),
  },
  {
    dialect: freight,
    schema: z.union([freightEventSchema, eventSchema]),
    almost: almostEvents.freight,
    bodyOf: (events: readonly unknown[]) => ({ events }),
    write: ({ identityKey, ...event }: TicketEvent) => ({ ...event, clientRequestId: identityKey }),
  },
  {
    dialect: sales,
    schema: salesEventSchema,
    almost: almostEvents.sales,
    bodyOf: (events: readonly unknown[]) => events,
    write: ({ identityKey, sequence, kind, occurredAt, version, payload }: TicketEvent) => {
      const { ticketId, ...rest } = payload;
      const aggregate = { id: ticketId, type: 'ticket' };
      const at = Date.parse(occurredAt);
      return { id: identityKey, seq: sequence, at, type: kind, aggregate, version, payload: rest };
    },
  },
];

test.each(dialects)(
  '$dialect.name: every JSON value gives an event or a failure, and no exception',
  (each) => {
    const { dialect, almost, bodyOf } = each;
    fc.assert(
      fc.property(fc.array(almost, { maxLength: 8 }), (events) => {
        const envelope = dialect.parseEnvelope(bodyOf(events));
        expect(envelope.events).toEqual(events);
        const readings = envelope.events.map(dialect.adapt);
        expect(readings).toHaveLength(events.length);
        for (const reading of readings) {
          expect(reading).toHaveProperty(reading.ok ? 'event' : 'failure.code');
        }
      }),
      { numRuns: 300 },
    );
  },
);

test.each(dialects)(
  '$dialect.name: an event that was written in the dialect is translated back to the same event',
  ({ dialect, write }) => {
    fc.assert(
      fc.property(ticketEventArbitrary, (event) => {
        const reading = dialect.adapt(write(event));
        expect(reading.ok && reading.event).toEqual(event);
      }),
      { numRuns: 300 },
    );
  },
);

test.each(dialects)(
  '$dialect.name: its schema accepts exactly the events that the dialect accepts',
  (each) => {
    const { dialect, schema, almost } = each;
    const seen = { taken: 0, refused: 0 };
    fc.assert(
      fc.property(almost, (raw) => {
        const reading = dialect.adapt(raw);
        // What no schema says: texts that no database keeps, and two fields that contradict each other.
        fc.pre(findUnsafeJson(raw) === undefined);
        fc.pre(reading.ok || !reading.failure.message.startsWith('is another'));
        const taken = reading.ok && eventSchema.safeParse(reading.event).success;
        seen[taken ? 'taken' : 'refused'] += 1;
        expect(schema.safeParse(raw).success).toBe(taken);
      }),
      { numRuns: 1_000 },
    );
    expect(Math.min(seen.taken, seen.refused)).toBeGreaterThan(20);
  },
);
