import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { z } from 'zod';
import { versionSchema } from '../domain/event.ts';

const defaultPageSize = 50;
const maxPageSize = 200;

const versionParameter = z
  .string()
  .regex(/^[0-9]{1,16}$/, 'must be a version')
  .transform(Number)
  .pipe(versionSchema);

/** For lists in version order that are paged by version. */
export const afterSchema = versionParameter
  .default(0)
  .describe('Only entries after this version: the `nextAfter` of the page before');

/** For lists in which the newest entry comes first. */
export const beforeSchema = versionParameter
  .optional()
  .describe('Only entries before this one: the `nextBefore` of the page before');

/** The number of entries per page. An invalid number is answered with the maximum. */
export function limitSchema(max: number, defaultLimit: number) {
  const message = `must be a whole number from 1 to ${max}`;
  return z
    .string()
    .regex(/^[0-9]{1,4}$/, message)
    .transform(Number)
    .pipe(z.int(message).min(1, message).max(max, message))
    .default(defaultLimit);
}

export const listLimitSchema = limitSchema(maxPageSize, defaultPageSize).describe(
  `Entries per page, 1 to ${maxPageSize}`,
);

export const nextAfterSchema = versionSchema
  .nullable()
  .describe('Pass it as `after` for the next page; null on the last page');

export const nextBeforeSchema = versionSchema
  .nullable()
  .describe('Pass it as `before` for the next page; null on the last page');

/** The time for which printing may run before it yields, in milliseconds. */
const maxStretchMs = 5;

/**
 * Prints a list whose entries are expensive to make. Between entries it yields to other work.
 *
 * @param names of the list in the answer, and of the member that leads to the next page
 * @returns the JSON of `{[names.list]: entries, [names.next]: next}`, in UTF-8
 */
export async function printList<Stored>(
  names: { readonly list: string; readonly next: 'nextAfter' | 'nextBefore' },
  { entries, next }: { readonly entries: readonly Stored[]; readonly next: number | null },
  toEntry: (stored: Stored) => object,
): Promise<Buffer> {
  const printed: Buffer[] = [];
  let startedAt = performance.now();
  for (const stored of entries) {
    const comma = printed.length === 0 ? '' : ',';
    printed.push(Buffer.from(comma + JSON.stringify(toEntry(stored))));
    if (performance.now() - startedAt < maxStretchMs) continue;
    await yieldToOthers();
    startedAt = performance.now();
  }
  const [start, end] = [`{"${names.list}":[`, `],"${names.next}":${next}}`];
  return Buffer.concat([Buffer.from(start), ...printed, Buffer.from(end)]);
}
