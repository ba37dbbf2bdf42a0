import { setImmediate as giveWay } from 'node:timers/promises';

/** Work in one stretch, before others have their turn. */
const stretchMs = 5;

/**
 * Prints a list of entries that are work to make, one after the other, and gives way to others in between.
 *
 * @param name of the list in the answer
 * @returns the JSON of `{[name]: entries, nextAfter}`, in UTF-8
 */
export async function printList<Stored>(
  name: string,
  {
    entries,
    nextAfter,
  }: { readonly entries: readonly Stored[]; readonly nextAfter: number | null },
  toEntry: (stored: Stored) => object,
): Promise<Buffer> {
  const printed: Buffer[] = [];
  let begun = performance.now();
  for (const stored of entries) {
    const comma = printed.length === 0 ? '' : ',';
    printed.push(Buffer.from(comma + JSON.stringify(toEntry(stored))));
    if (performance.now() - begun < stretchMs) continue;
    await giveWay();
    begun = performance.now();
  }
  const [start, end] = [`{"${name}":[`, `],"nextAfter":${nextAfter}}`];
  return Buffer.concat([Buffer.from(start), ...printed, Buffer.from(end)]);
}
