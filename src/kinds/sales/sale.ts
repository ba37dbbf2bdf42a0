import { z } from 'zod';
import { identifierSchema } from '../../protocol/text.ts';
import { defineKind } from '../define-kind.ts';
import { payload } from '../payload-versions.ts';
import { append } from '../policies.ts';
import { foldTicket } from './ticket-state.ts';

const maxCents = 10_000_000_000;

/** As the first tills sent it: a decimal number of euros, and no word of how it was paid. */
const decimalSaleSchema = z.strictObject({
  ticketId: identifierSchema,
  total: z
    .number()
    .min(0)
    .max(maxCents / 100)
    .refine((total) => Number(total.toFixed(2)) === total, 'must have at most 2 decimals'),
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
 * it is lifted here, on arrival, and nothing after this line knows that there was one. The total is
 * rounded, as 19.99 × 100 is a little less than 1999.
 */
export const saleRecorded = defineKind({
  name: 'sale.recorded',
  entityType: 'ticket',
  payload: payload(decimalSaleSchema).next(saleSchema, ({ ticketId, total }) => ({
    ticketId,
    totalCents: Math.round(total * 100),
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
