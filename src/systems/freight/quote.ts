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
  status: z.enum(['draft', 'sent', 'accepted', 'declined', 'expired']),
  shipmentId: identifierSchema.nullable().optional(),
  validUntil: daySchema.nullable().optional(),
});

const quoteId = identifierSchema;

/** Creates a quote. If there is or was a quote with this id, the event is a conflict for a person. */
export const quoteCreate = defineKind({
  name: 'quote.create',
  entityType: 'quote',
  payload: payload(fieldsSchema.extend({ quoteId })),
  entityId: (quote) => quote.quoteId,
  policy: create(({ quoteId: _id, ...fields }) => namedFields(fields)),
});

/** Changes some fields of a quote that its sender has seen, as `baseVersion` or `baseKey` states. */
export const quoteUpdate = defineKind({
  name: 'quote.update',
  entityType: 'quote',
  payload: payload(
    fieldsSchema.partial().extend({ quoteId }).refine(namesAField, 'must name a field to change'),
  ),
  entityId: (quote) => quote.quoteId,
  policy: strict(patch(({ quoteId: _id, ...fields }) => namedFields(fields))),
});
