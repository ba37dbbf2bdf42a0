import { z } from 'zod';
import { identifierSchema } from '../../domain/identifier.ts';
import { defineKind } from '../../domain/kinds/define-kind.ts';
import { payload } from '../../domain/kinds/schema-versions.ts';
import { create } from '../../domain/kinds/policies/create.ts';
import { patch } from '../../domain/kinds/policies/patch.ts';
import { strict } from '../../domain/kinds/policies/strict.ts';
import { daySchema, labelSchema, namedFields, namesAField } from './fields.ts';

const fieldsSchema = z.strictObject({
  customer: labelSchema,
  origin: labelSchema,
  destination: labelSchema,
  status: z.enum(['planned', 'picked-up', 'in-transit', 'delivered', 'cancelled']),
  weightGrams: z.int().min(0).nullable().optional(),
  pickupOn: daySchema.nullable().optional(),
  deliveredOn: daySchema.nullable().optional(),
});

const shipmentId = identifierSchema;

/** Creates a shipment. If there is or was a shipment with this id, the event is a conflict for a person. */
export const shipmentCreate = defineKind({
  name: 'shipment.create',
  entityType: 'shipment',
  payload: payload(fieldsSchema.extend({ shipmentId })),
  entityId: (shipment) => shipment.shipmentId,
  policy: create(({ shipmentId: _id, ...fields }) => namedFields(fields)),
});

/**
 * Changes some fields of a shipment. The event must state the version or the event that it was made on, so that no
 * desktop overwrites a change that it has not seen. Only the fields that it names are compared and written.
 */
export const shipmentUpdate = defineKind({
  name: 'shipment.update',
  entityType: 'shipment',
  payload: payload(
    fieldsSchema
      .partial()
      .extend({ shipmentId })
      .refine(namesAField, 'must name a field to change'),
  ),
  entityId: (shipment) => shipment.shipmentId,
  policy: strict(patch(({ shipmentId: _id, ...fields }) => namedFields(fields))),
});
