import { z } from 'zod';
import { eventSchema } from '../../domain/event.ts';

const { identityKey, ...rest } = eventSchema.shape;

/** An event of the plain envelope under another name of its key: see dialects/freight.ts. */
export const freightEventSchema = z
  .strictObject({
    clientRequestId: identityKey.nullable(),
    identityKey: identityKey.nullish().describe('At most the same once more'),
    ...rest,
  })
  .refine((event) => (event.clientRequestId ?? event.identityKey ?? null) !== null, {
    path: ['clientRequestId'],
    message: 'give clientRequestId, or identityKey',
  });
