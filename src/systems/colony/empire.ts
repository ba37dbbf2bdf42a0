import { z } from 'zod';
import { identifierSchema } from '../../domain/identifier.ts';
import { defineKind } from '../../domain/kinds/define-kind.ts';
import type { RecordView } from '../../domain/kinds/intent.ts';
import { payload } from '../../domain/kinds/payload-versions.ts';
import { put } from '../../domain/kinds/policies.ts';

const creditsSchema = z.int().min(0).describe('Whole credits');

const empireSchema = z.strictObject({
  empireId: identifierSchema,
  credits: creditsSchema,
  name: z.string().max(100).optional(),
});

/**
 * Says what an empire has. The game server sends it, never a device: the scope sees to that. It sets
 * credits and does not add to them, so a game server that read them first sends `baseVersion` too:
 * orders accepted in between then make it a CONFLICT instead of being given back. Without that, one
 * whose `occurredAt` lies before the newest order loses its credits to it, as any older write does.
 */
export const empirePut = defineKind({
  name: 'empire.put',
  entityType: 'empire',
  payload: payload(empireSchema),
  entityId: (empire) => empire.empireId,
  policy: put(({ credits, name }) => ({ credits, ...(name !== undefined && { name }) })),
  scope: 'colony:admin',
});

/** @throws ZodError where the record was not written by this kind */
export function creditsOf({ data }: RecordView): number {
  return creditsSchema.parse(data.credits);
}
