import { z } from 'zod';
import { identifierSchema } from '../../domain/identifier.ts';
import { defineKind } from '../../domain/kinds/define-kind.ts';
import { payload } from '../../domain/kinds/schema-versions.ts';
import { append } from '../../domain/kinds/policies/append.ts';
import { foldTicket } from './ticket-state.ts';

const maxCents = 10_000_000_000;

/** The rounding error of sums and products of decimals: 1.1 × 3 is 3.3000000000000003, 0.3 − 0.2 − 0.1 is below 0. */
const maxRoundingError = 1e-6;

/** The cents of a total in euros. The result is never -0. */
const centsOf = (total: number) => Math.round(total * 100) + 0;

/** The payload of the first tills: a decimal number of euros, without the method of payment. */
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
 * A ticket was paid, completely or in part. A till that was last updated years ago still sends version 1. Its payload is
 * converted on arrival, so all other code only knows version 2.
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

/** Everything that was paid on the ticket so far is given back. */
export const saleVoided = defineKind({
  name: 'sale.voided',
  entityType: 'ticket',
  payload: payload(voidedSchema),
  entityId: (fact) => fact.ticketId,
  policy: append((before, { reason }) => foldTicket(before, { type: 'voided', reason })),
  ordered: true,
});
