import { z } from 'zod';
import { identifierSchema } from '../../domain/identifier.ts';
import { defineKind } from '../../domain/kinds/define-kind.ts';
import type { RecordView } from '../../domain/kinds/intent.ts';
import { payload } from '../../domain/kinds/schema-versions.ts';
import { put } from '../../domain/kinds/policies/put.ts';

const creditsSchema = z.int().min(0).describe('Whole credits');

const empireSchema = z.strictObject({
  empireId: identifierSchema,
  credits: creditsSchema,
  name: z.string().max(100).optional(),
});

/**
 * Sets the credits and the name of an empire. Only the game server sends it; the scope prevents devices from sending
 * it. The event replaces the credits and does not add to them. So a game server that reads the credits first also
 * sends `baseVersion`: if an order was accepted in between, the event is a CONFLICT, and the credits of the order are
 * not given back. Without `baseVersion`, an event whose `occurredAt` is before the newest order loses, like any older
 * write.
 */
export const empirePut = defineKind({
  name: 'empire.put',
  entityType: 'empire',
  payload: payload(empireSchema),
  entityId: (empire) => empire.empireId,
  policy: put(({ credits, name }) => ({ credits, ...(name !== undefined && { name }) })),
  scope: 'colony:admin',
});

/** @throws ZodError if the record was not written by this kind */
export function creditsOf({ data }: RecordView): number {
  return creditsSchema.parse(data.credits);
}
