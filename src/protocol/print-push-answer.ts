import { entityKey, type StoredRecord } from '../domain/record.ts';
import type { PushAnswer } from './push.ts';
import { printRecord } from './record.ts';

/** An entry whose record is still as it is stored. */
type UnprintedEntry<Entry> = Omit<Entry, 'current' | 'currentOmitted'> & {
  readonly current?: StoredRecord | null;
};

/** The answer to a push before it is printed, in the protocol's words. */
export type UnprintedAnswer<Answer extends PushAnswer> = Omit<Answer, 'failed' | 'results'> & {
  readonly failed: readonly UnprintedEntry<Answer['failed'][number]>[];
  readonly results?: readonly UnprintedEntry<NonNullable<Answer['results']>[number]>[];
};

/** The same in the words of any dialect: whatever else it holds is printed as it is. */
export interface PrintableAnswer {
  readonly failed: readonly PrintableEntry[];
  readonly results?: readonly PrintableEntry[];
}

interface PrintableEntry {
  readonly status?: string;
  readonly current?: StoredRecord | null;
  readonly differingFields?: readonly string[] | undefined;
  readonly differingFieldsOmitted?: number | undefined;
}

/**
 * Prints each record once, however many entries show it, and around its stored text. The bound counts
 * it for each of them, as its bytes are sent for each. Records that no longer fit are left out, in
 * request order, with the differing fields, and their entries have `currentOmitted`.
 *
 * @param maxBytes of the answer; one that is longer without any record is sent without any
 * @returns JSON
 */
export function printPushAnswer(answer: PrintableAnswer, maxBytes: number): string | Buffer {
  const { failed, results, ...rest } = answer;
  if (!failed.some(hasRecord) && !results?.some(hasRecord)) return JSON.stringify(answer);
  const head = Buffer.from(`${JSON.stringify(rest).slice(0, -1)},"failed":[`);
  const failures = failed.map(printEntry);
  const listed = results?.map(printEntry);
  const bare = [...failures, ...(listed ?? [])].reduce((sum, one) => sum + sizeOf(one), 0);
  addRecords(byEvent(failures, listed), maxBytes - head.length - bare);
  return Buffer.concat([
    head,
    ...joined(failures),
    ...(listed ? [Buffer.from('],"results":['), ...joined(listed)] : []),
    Buffer.from(']}'),
  ]);
}

interface PrintedEntry {
  readonly entry: PrintableEntry;
  /** All but the record and the fields in which the edit differs from it. */
  readonly text: Buffer;
  /** Its last members, with the closing brace. */
  rest: readonly Buffer[];
}

const closing = Buffer.from('}');
const omitted = Buffer.from(',"currentOmitted":true}');
const beforeRecord = Buffer.from(',"current":');
const comma = Buffer.from(',');

function hasRecord({ current }: PrintableEntry): boolean {
  return current !== undefined;
}

const withoutRecord = {
  current: undefined,
  differingFields: undefined,
  differingFieldsOmitted: undefined,
};

function printEntry(entry: PrintableEntry): PrintedEntry {
  const shown = hasRecord(entry) ? { ...entry, ...withoutRecord } : entry;
  const text = Buffer.from(JSON.stringify(shown).slice(0, -1));
  return { entry, text, rest: [hasRecord(entry) ? omitted : closing] };
}

/** With the comma behind it. */
function sizeOf({ text, rest }: PrintedEntry): number {
  return rest.reduce((sum, { length }) => sum + length, text.length + comma.length);
}

/** The one or two entries of each event, in request order. */
function byEvent(
  failures: readonly PrintedEntry[],
  results: readonly PrintedEntry[] | undefined,
): readonly (readonly PrintedEntry[])[] {
  if (!results) return failures.map((failure) => [failure]);
  const remaining = failures.values();
  return results.map((result) => {
    const isFailed = result.entry.status === 'failed';
    const failure = isFailed ? remaining.next().value : undefined;
    return failure ? [result, failure] : [result];
  });
}

function addRecords(events: readonly (readonly PrintedEntry[])[], room: number): void {
  // An answer shows each entity in one state: as it stands after the batch.
  const texts = new Map<string, Buffer>();
  let left = room;
  for (const entries of events) {
    const record = entries[0]?.entry.current;
    // A character is a byte or more: what cannot fit is not printed at all.
    if (record === undefined || (record?.data?.length ?? 0) * entries.length > left) continue;
    const key = record ? entityKey(record) : '';
    const text = texts.get(key) ?? Buffer.from(record ? printRecord(record) : 'null');
    texts.set(key, text);
    const rests = entries.map(({ entry }) => [beforeRecord, text, printFields(entry)]);
    const bytes = rests.flat().reduce((sum, { length }) => sum + length, 0);
    if (bytes > left) continue;
    left -= bytes;
    for (const [index, one] of entries.entries()) one.rest = rests[index] ?? one.rest;
  }
}

function printFields(entry: PrintableEntry): Buffer {
  const { differingFields, differingFieldsOmitted } = entry;
  if (!differingFields) return closing;
  return Buffer.from(`,${JSON.stringify({ differingFields, differingFieldsOmitted }).slice(1)}`);
}

function joined(entries: readonly PrintedEntry[]): readonly Buffer[] {
  return entries.flatMap(({ text, rest }, index) =>
    index === 0 ? [text, ...rest] : [comma, text, ...rest],
  );
}
