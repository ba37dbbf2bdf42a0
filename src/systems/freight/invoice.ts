import { z } from 'zod';
import { identifierSchema } from '../../domain/identifier.ts';
import { defineKind } from '../../domain/kinds/define-kind.ts';
import { payload } from '../../domain/kinds/payload-versions.ts';
import { create, patch, strict } from '../../domain/kinds/policies.ts';
import {
  amountCentsSchema,
  currencySchema,
  daySchema,
  labelSchema,
  named,
  namesAField,
} from './fields.ts';

const fieldsSchema = z.strictObject({
  customer: labelSchema,
  amountCents: amountCentsSchema,
  currency: currencySchema,
  status: z.enum(['draft', 'issued', 'paid', 'void']),
  shipmentId: identifierSchema.nullable().optional(),
  issuedOn: daySchema.nullable().optional(),
  dueOn: daySchema.nullable().optional(),
});

const invoiceId = identifierSchema;

/** Creates an invoice. Where there is, or was, one of this id, it is a conflict for a person. */
export const invoiceCreate = defineKind({
  name: 'invoice.create',
  entityType: 'invoice',
  payload: payload(fieldsSchema.extend({ invoiceId })),
  entityId: (invoice) => invoice.invoiceId,
  policy: create(({ invoiceId: _id, ...fields }) => named(fields)),
});

/**
 * Changes some fields of an invoice that its sender has seen: `baseVersion` or `baseKey` says so.
 * Money is why there is no last write wins here: of two people who correct one amount, the second
 * has to look at what the first did.
 */
export const invoiceUpdate = defineKind({
  name: 'invoice.update',
  entityType: 'invoice',
  payload: payload(
    fieldsSchema.partial().extend({ invoiceId }).refine(namesAField, 'name a field to change'),
  ),
  entityId: (invoice) => invoice.invoiceId,
  policy: strict(patch(({ invoiceId: _id, ...fields }) => named(fields))),
});
