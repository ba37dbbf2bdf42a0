import { z } from 'zod';
import { identifierSchema } from '../../domain/identifier.ts';
import { defineKind } from '../../domain/kinds/define-kind.ts';
import { payload } from '../../domain/kinds/payload-versions.ts';
import { append } from '../../domain/kinds/policies.ts';
import { foldTicket } from './ticket-state.ts';

const maxCents = 10_000_000_000;

/** What sums and products of decimals are off by: 1.1 × 3 is 3.3000000000000003, 0.3 − 0.2 − 0.1 below 0. */
const maxRoundingError = 1e-6;

/** Of a total in euros. Never -0, which is no other amount than 0. */
const centsOf = (total: number) => Math.round(total * 100) + 0;

/** As the first tills sent it: a decimal number of euros, and no word of how it was paid. */
const decimalSaleSchema = z.strictObject({
  ticketId: identifierSchema,
  total: z
    .number()
    .min(-maxRoundingError)
    .max(maxCents / 100 + maxRoundingError)
    .refine(
      (total) => Math.abs(total - centsOf(total) / 100) <= maxRoundingError,
      'must have at most 2 decimals',
    ),
});

const saleSchema = z.strictObject({
  ticketId: identifierSchema,
  totalCents: z.int().min(0).max(maxCents),
  method: z.enum(['cash', 'card', 'other']),
});

const voidedSchema = z.strictObject({
  ticketId: identifierSchema,
  reason: z.string().max(500),
});

/**
 * A ticket was paid, whole or in part. A till that was last updated years ago still sends version 1:
 * it is lifted here, on arrival, and nothing after this line knows that there was one.
 */
export const saleRecorded = defineKind({
  name: 'sale.recorded',
  entityType: 'ticket',
  payload: payload(decimalSaleSchema).next(saleSchema, ({ ticketId, total }) => ({
    ticketId,
    totalCents: centsOf(total),
    method: 'other' as const,
  })),
  entityId: (fact) => fact.ticketId,
  policy: append((before, { totalCents, method }) =>
    foldTicket(before, { type: 'paid', totalCents, method }),
  ),
  ordered: true,
});

/** All that was paid on the ticket until now is given back. */
export const saleVoided = defineKind({
  name: 'sale.voided',
  entityType: 'ticket',
  payload: payload(voidedSchema),
  entityId: (fact) => fact.ticketId,
  policy: append((before, { reason }) => foldTicket(before, { type: 'voided', reason })),
  ordered: true,
});
