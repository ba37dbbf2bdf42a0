import { z } from 'zod';
import { versionSchema } from '../domain/event.ts';

const defaultPageSize = 50;
const maxPageSize = 200;

/** For lists in version order that are paged by version, beside the feed and its checkpoints. */
export const afterSchema = z
  .string()
  .regex(/^[0-9]{1,16}$/, 'must be a version')
  .transform(Number)
  .pipe(versionSchema)
  .default(0)
  .describe('Only what comes after this version: the `nextAfter` of the page before');

/** A number of entries a page. What is no such number is told the greatest that is. */
export function limitSchema(max: number, usual: number) {
  const message = `must be a whole number from 1 to ${max}`;
  return z
    .string()
    .regex(/^[0-9]{1,4}$/, message)
    .transform(Number)
    .pipe(z.int(message).min(1, message).max(max, message))
    .default(usual);
}

/** For these lists. */
export const listLimitSchema = limitSchema(maxPageSize, defaultPageSize).describe(
  `Entries a page, 1 to ${maxPageSize}`,
);

export const nextAfterSchema = versionSchema
  .nullable()
  .describe('Pass it as `after` for the next page; null on the last');
