import { z } from 'zod';
import { identifierSchema } from '../../domain/identifier.ts';
import { defineKind } from '../../domain/kinds/define-kind.ts';
import type { RecordView } from '../../domain/kinds/intent.ts';
import { payload } from '../../domain/kinds/payload-versions.ts';
import { put } from '../../domain/kinds/policies.ts';

/** Galaxy, region, system and body, such as `A00:12:34:05`. */
export const locationCoordSchema = z
  .string()
  .regex(/^[A-Z]\d{2}:\d{2}:\d{2}:\d{2}$/, 'must look like A00:12:34:05');

const locationSchema = z.strictObject({
  locationCoord: locationCoordSchema,
  empireId: identifierSchema.describe('Who owns it'),
  name: z.string().max(100).optional(),
});

/**
 * Says whose a location is. Only the game server may: a device that could claim a location would
 * make the check of ownership worthless. A location that is lost is put with its new owner.
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
