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
  status: z.enum(['draft', 'sent', 'accepted', 'declined', 'expired']),
  shipmentId: identifierSchema.nullable().optional(),
  validUntil: daySchema.nullable().optional(),
});

const quoteId = identifierSchema;

/** Creates a quote. Where there is, or was, one of this id, it is a conflict for a person. */
export const quoteCreate = defineKind({
  name: 'quote.create',
  entityType: 'quote',
  payload: payload(fieldsSchema.extend({ quoteId })),
  entityId: (quote) => quote.quoteId,
  policy: create(({ quoteId: _id, ...fields }) => named(fields)),
});

/** Changes some fields of a quote that its sender has seen: `baseVersion` or `baseKey` says so. */
export const quoteUpdate = defineKind({
  name: 'quote.update',
  entityType: 'quote',
  payload: payload(
    fieldsSchema.partial().extend({ quoteId }).refine(namesAField, 'name a field to change'),
  ),
  entityId: (quote) => quote.quoteId,
  policy: strict(patch(({ quoteId: _id, ...fields }) => named(fields))),
});
