import { entityTypeSchema, type StoredRecord } from '../domain/record.ts';
import { z } from 'zod';
import { versionSchema } from '../domain/event.ts';
import { limitSchema } from './page.ts';
import { printRecord, recordSchema } from './record.ts';

const maxPageSize = 1000;
const defaultPageSize = 500;
/** A checkpoint contains its filter, and is sent in a URL. */
const maxEntityTypes = 100;
const maxFilterLength = 2000;

export const pullQuerySchema = z
  .strictObject({
    since: z
      .string()
      .optional()
      .describe(
        'The last checkpoint, or with `epoch` the last position; without `since`, a bootstrap starts',
      ),
    epoch: z
      .uuid('must be the epoch that came with the position')
      .optional()
      .describe('If `since` is a position: the epoch that came with it'),
    limit: limitSchema(maxPageSize, defaultPageSize).describe(
      `Records per page, 1 to ${maxPageSize}`,
    ),
    entityTypes: z
      .string()
      .max(maxFilterLength, `must be at most ${maxFilterLength} characters`)
      .transform((list) => [...new Set(list.split(','))].sort())
      .refine((types) => types.length <= maxEntityTypes, {
        message: `must be at most ${maxEntityTypes} entity types`,
        abort: true,
      })
      .refine((types) => types.every((type) => entityTypeSchema.safeParse(type).success), {
        message: 'must be entity types, separated by commas',
      })
      .optional()
      .describe(`Only these entity types, separated by commas: at most ${maxEntityTypes}`),
  })
  .refine(({ since, epoch }) => epoch === undefined || since !== undefined, {
    path: ['epoch'],
    message: 'can only be sent with a position in since',
  });

export type PullQuery = z.infer<typeof pullQuerySchema>;

export const pullAnswerSchema = z.object({
  changes: z.array(recordSchema).describe('Each entity at most once'),
  checkpoint: z.string().describe('Pass it as `since` next time, also after an empty page'),
  position: versionSchema
    .min(1)
    .describe(
      'For clients that store a number: one more than the version up to which all changes were sent. Never 0',
    ),
  epoch: z.uuid().describe("Identifies the tenant's history; a position is only valid within it"),
  hasMore: z.boolean().describe('True: there are more changes, pull again at once'),
  serverTime: z.iso.datetime(),
});

export type PullAnswer = z.infer<typeof pullAnswerSchema>;

/** The answer before it is printed. */
export interface PullPage extends Omit<PullAnswer, 'changes'> {
  readonly records: readonly StoredRecord[];
}

/** A version as clients store it: one more, because some clients treat 0 as no value. */
export function versionToPosition(version: number): number {
  return version + 1;
}

/** The version of a position; undefined for a text that is not a position. */
export function positionToVersion(position: string): number | undefined {
  const value = /^[1-9][0-9]{0,15}$/.test(position) ? Number(position) : Number.NaN;
  return Number.isSafeInteger(value) ? value - 1 : undefined;
}

/**
 * Converts the records to bytes one by one. To convert one text of half a megabyte, which was concatenated from small
 * ones, takes longer.
 *
 * @returns the JSON of a PullAnswer, in UTF-8
 */
export function printPullAnswer(page: PullPage): Buffer {
  const changes = page.records.map((record, index) =>
    Buffer.from(index === 0 ? printRecord(record) : `,${printRecord(record)}`),
  );
  const rest =
    `],"checkpoint":"${page.checkpoint}","position":${page.position},` +
    `"epoch":"${page.epoch}","hasMore":${page.hasMore},"serverTime":"${page.serverTime}"}`;
  return Buffer.concat([Buffer.from('{"changes":['), ...changes, Buffer.from(rest)]);
}
