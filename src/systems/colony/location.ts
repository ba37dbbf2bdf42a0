import { z } from 'zod';
import { identifierSchema } from '../../domain/identifier.ts';
import { defineKind } from '../../domain/kinds/define-kind.ts';
import type { RecordView } from '../../domain/kinds/intent.ts';
import { payload } from '../../domain/kinds/schema-versions.ts';
import { put } from '../../domain/kinds/policies/put.ts';

/** Galaxy, region, system and body, for example `A00:12:34:05`. */
export const locationCoordSchema = z
  .string()
  .regex(/^[A-Z]\d{2}:\d{2}:\d{2}:\d{2}$/, 'must look like A00:12:34:05');

const locationSchema = z.strictObject({
  locationCoord: locationCoordSchema,
  empireId: identifierSchema.describe('The owner'),
  name: z.string().max(100).optional(),
});

/**
 * Sets the owner of a location. Only the game server may send it: if devices could claim locations, the check of
 * ownership would be useless. When an empire loses a location, the game server puts it with the new owner.
 */
export const locationPut = defineKind({
  name: 'location.put',
  entityType: 'location',
  payload: payload(locationSchema),
  entityId: (location) => location.locationCoord,
  policy: put(({ empireId, name }) => ({ empireId, ...(name !== undefined && { name }) })),
  scope: 'colony:admin',
});

export function isOwnedBy({ data }: RecordView, empireId: string): boolean {
  return data.empireId === empireId;
}
