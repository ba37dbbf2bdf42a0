import { z } from 'zod';
import { eventSchema } from '../../domain/event.ts';

const { identityKey, payload: _payload, ...around } = eventSchema.shape;

/** An event of a bare array, whose payload holds the key: see dialects/colony.ts. */
export const colonyEventSchema = z.strictObject({
  ...around,
  kind: z.string().describe('A registered kind, or in short `structure`, `research` or `unit`'),
  payload: z
    .looseObject({
      identityKey,
      kind: z.string().nullish().describe('The same kind again, as these clients keep it there'),
    })
    .describe("What the kind's schema says, and the key"),
});

export const colonyPushSchema = z.array(colonyEventSchema).min(1);
