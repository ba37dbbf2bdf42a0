import { z } from 'zod';
import { versionSchema } from './event.ts';
import { entityTypeSchema, printRecord, recordSchema, type StoredRecord } from './record.ts';

const maxPageSize = 1000;
const defaultPageSize = 500;

export const pullQuerySchema = z.strictObject({
  since: z.string().optional().describe('The last checkpoint; without it, a bootstrap'),
  limit: z
    .string()
    .regex(/^[0-9]{1,4}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(1).max(maxPageSize))
    .default(defaultPageSize)
    .describe(`Records a page, 1 to ${maxPageSize}`),
  entityTypes: z
    .string()
    .transform((list) => [...new Set(list.split(','))].sort())
    .refine((types) => types.every((type) => entityTypeSchema.safeParse(type).success), {
      message: 'must be entity types, separated by commas',
    })
    .optional()
    .describe('Only these entity types, separated by commas'),
});

export type PullQuery = z.infer<typeof pullQuerySchema>;

export const pullAnswerSchema = z.object({
  changes: z.array(recordSchema).describe('Each entity at most once, in version order'),
  checkpoint: z.string().describe('Pass it as `since` next time; also on an empty page'),
  position: versionSchema.describe('The checkpoint as an integer, for clients that store a number'),
  hasMore: z.boolean().describe('True: pull again at once'),
  serverTime: z.iso.datetime(),
});

export type PullAnswer = z.infer<typeof pullAnswerSchema>;

/** The answer before it is printed. */
export interface PullPage extends Omit<PullAnswer, 'changes'> {
  readonly records: readonly StoredRecord[];
}

/**
 * Record by record: a text of half a megabyte that was put together from small ones takes longer to become
 * bytes than all of them do.
 *
 * @returns the JSON of a PullAnswer, in UTF-8
 */
export function printPullAnswer(page: PullPage): Buffer {
  const changes = page.records.map((record, index) =>
    Buffer.from(index === 0 ? printRecord(record) : `,${printRecord(record)}`),
  );
  const rest =
    `],"checkpoint":"${page.checkpoint}","position":${page.position},` +
    `"hasMore":${page.hasMore},"serverTime":"${page.serverTime}"}`;
  return Buffer.concat([Buffer.from('{"changes":['), ...changes, Buffer.from(rest)]);
}
