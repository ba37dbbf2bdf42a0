import { z } from 'zod';
import { identifierSchema } from '../../domain/identifier.ts';
import { defineKind } from '../../domain/kinds/define-kind.ts';
import { payload } from '../../domain/kinds/payload-versions.ts';
import { create, patch, strict } from '../../domain/kinds/policies.ts';
import { daySchema, labelSchema, named, namesAField } from './fields.ts';

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

/** Creates a shipment. Where there is, or was, one of this id, it is a conflict for a person. */
export const shipmentCreate = defineKind({
  name: 'shipment.create',
  entityType: 'shipment',
  payload: payload(fieldsSchema.extend({ shipmentId })),
  entityId: (shipment) => shipment.shipmentId,
  policy: create(({ shipmentId: _id, ...fields }) => named(fields)),
});

/**
 * Changes some fields of a shipment. It must say which version, or which event, it was made on, so
 * that no desktop overwrites what it has not seen; only the fields that it names are compared and
 * written.
 */
export const shipmentUpdate = defineKind({
  name: 'shipment.update',
  entityType: 'shipment',
  payload: payload(
    fieldsSchema.partial().extend({ shipmentId }).refine(namesAField, 'name a field to change'),
  ),
  entityId: (shipment) => shipment.shipmentId,
  policy: strict(patch(({ shipmentId: _id, ...fields }) => named(fields))),
});
