import { z } from 'zod';
import { identifierSchema } from '../../domain/identifier.ts';
import { defineKind } from '../../domain/kinds/define-kind.ts';
import { payload } from '../../domain/kinds/schema-versions.ts';
import { create } from '../../domain/kinds/policies/create.ts';
import { patch } from '../../domain/kinds/policies/patch.ts';
import { strict } from '../../domain/kinds/policies/strict.ts';
import {
  amountCentsSchema,
  currencySchema,
  daySchema,
  labelSchema,
  namedFields,
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

/** Creates an invoice. If there is or was an invoice with this id, the event is a conflict for a person. */
export const invoiceCreate = defineKind({
  name: 'invoice.create',
  entityType: 'invoice',
  payload: payload(fieldsSchema.extend({ invoiceId })),
  entityId: (invoice) => invoice.invoiceId,
  policy: create(({ invoiceId: _id, ...fields }) => namedFields(fields)),
});

/**
 * Changes some fields of an invoice that its sender has seen, as `baseVersion` or `baseKey` states. Last write wins is
 * wrong for money: if two people correct one amount, the second one has to see the change of the first one.
 */
export const invoiceUpdate = defineKind({
  name: 'invoice.update',
  entityType: 'invoice',
  payload: payload(
    fieldsSchema.partial().extend({ invoiceId }).refine(namesAField, 'must name a field to change'),
  ),
  entityId: (invoice) => invoice.invoiceId,
  policy: strict(patch(({ invoiceId: _id, ...fields }) => namedFields(fields))),
});
