import { z } from 'zod';
import { versionSchema } from './event.ts';

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

export const limitSchema = z
  .string()
  .regex(/^[0-9]{1,3}$/, 'must be a whole number')
  .transform(Number)
  .pipe(z.int().min(1).max(maxPageSize))
  .default(defaultPageSize)
  .describe(`Entries a page, 1 to ${maxPageSize}`);

export const nextAfterSchema = versionSchema
  .nullable()
  .describe('Pass it as `after` for the next page; null on the last');
