import { z } from 'zod';
import { RequestProblem } from '../domain/errors.ts';
import { resolutionSchema, storedOutcomeSchema } from '../domain/event.ts';
import { versionSchema } from '../domain/event.ts';
import { parseQuery } from './request.ts';
import { identifierSchema } from '../domain/identifier.ts';

const maxKeys = 100;

/** The event that is stored under one identityKey. */
export const receiptSchema = z.discriminatedUnion('found', [
  z.object({
    identityKey: identifierSchema,
    found: z.literal(true),
    version: versionSchema.describe('The version that the event took in the log'),
    kind: z.string(),
    entityType: z.string(),
    entityId: identifierSchema,
    outcome: storedOutcomeSchema,
    effectiveAt: z.iso.datetime(),
    receivedAt: z.iso.datetime(),
    clockAdjusted: z.boolean(),
    resolution: resolutionSchema
      .nullable()
      .describe('With `conflict`: how it was settled; null while it is open'),
  }),
  z.object({
    identityKey: identifierSchema,
    found: z.literal(false).describe('Not stored: the event never arrived, or it failed'),
  }),
]);

export type Receipt = z.infer<typeof receiptSchema>;

export const receiptsAnswerSchema = z.object({
  receipts: z
    .array(receiptSchema)
    .describe('One for each requested key, in the order of the request'),
});

export type ReceiptsAnswer = z.infer<typeof receiptsAnswerSchema>;

export const receiptsQuerySchema = z.strictObject({
  identityKeys: z
    .array(identifierSchema)
    .min(1, 'name at least one key')
    .max(maxKeys, `name at most ${maxKeys} keys`)
    .describe(
      `1 to ${maxKeys} keys. A plain comma separates two keys, and a comma within a key is percent-encoded (%2C), as every URL encoder does. The parameter may be repeated.`,
    ),
});

/**
 * Reads the keys in the query of a URL. The query is split before percent-decoding: after it, a comma between two keys
 * and a comma within a key would look the same.
 *
 * @param query the text after the question mark, as it was sent
 * @throws RequestProblem INVALID_QUERY
 */
export function readIdentityKeys(query: string): readonly string[] {
  const values = new Map<string, string[]>([['identityKeys', []]]);
  for (const pair of query.split('&').filter((part) => part !== '')) {
    const [name = '', ...rest] = pair.split('=');
    const keys = rest.join('=').split(',').map(decode);
    values.set(decode(name), [...(values.get(decode(name)) ?? []), ...keys]);
  }
  return parseQuery(receiptsQuerySchema, Object.fromEntries(values)).identityKeys;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    const message = 'is not percent-encoded UTF-8';
    throw new RequestProblem('INVALID_QUERY', message, { path: 'identityKeys' });
  }
}
