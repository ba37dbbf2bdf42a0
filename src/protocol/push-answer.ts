import type { BatchDecision, EventOutcome } from '../domain/decide/batch.ts';
import { retryOf } from '../domain/errors.ts';
import { shortenText } from '../domain/json-value.ts';
import { printDifferences } from '../domain/kinds/policies/fields.ts';
import { entityKey, type StoredRecord } from '../domain/record.ts';
import { formatMicros } from '../domain/timestamp.ts';
import { type CheckpointCodec, eventDigest } from './checkpoint.ts';
import type { PushAnswer } from './push.ts';
import { printRecord } from './record.ts';

/** How the answer refers to one event, in the words of the client that sent it. */
export interface FieldMapping {
  /** Members that name the event beside its identityKey. */
  readonly alias: { readonly clientRequestId?: string | null };
  /** Converts the path of a field from the protocol's names to the client's names. */
  readonly pathOf: (path: string) => string;
}

/** For an event that was sent in the protocol's own words. */
export const plainFieldMapping: FieldMapping = { alias: {}, pathOf: (path) => path };

export interface PushAnswerOptions {
  readonly includeResults: boolean;
  /** Whether the sender may read records. If not, the answer contains no record, and no field of a record. */
  readonly mayRead: boolean;
  /** The mappings of the events, by index; by default the protocol's own words. */
  readonly fieldMappings?: readonly FieldMapping[];
}

/** An entry whose record is still as it is stored. */
type UnprintedEntry<Entry> = Omit<Entry, 'current' | 'currentOmitted'> & {
  readonly current?: StoredRecord | null;
};

/** The answer to a push before it is printed, in the protocol's words. */
export interface UnprintedAnswer extends Omit<PushAnswer, 'failed' | 'results'> {
  readonly failed: readonly UnprintedEntry<PushAnswer['failed'][number]>[];
  readonly results?: readonly UnprintedEntry<NonNullable<PushAnswer['results']>[number]>[];
}

/** The answer to a batch that was decided and committed. */
export function toPushAnswer(
  decision: BatchDecision,
  tenantId: string,
  checkpoints: CheckpointCodec,
  { includeResults, mayRead, fieldMappings = [] }: PushAnswerOptions,
): UnprintedAnswer {
  const mappingOf = (index: number) => fieldMappings[index] ?? plainFieldMapping;
  const { outcomes, position, epoch, receivedAt } = decision;
  const { version, reference } = position;
  const checkpoint = checkpoints.encode(
    { version, epoch, digest: eventDigest(reference), entityTypes: [], bootstrap: null },
    tenantId,
  );
  return {
    success: true,
    processed: outcomes.flatMap((outcome) =>
      outcome.status === 'failed' || outcome.identityKey === null ? [] : [outcome.identityKey],
    ),
    failed: outcomes.flatMap((outcome, index) =>
      outcome.status === 'failed' ? [toFailure(outcome, index, mappingOf(index), mayRead)] : [],
    ),
    ...(includeResults && {
      results: outcomes.map((outcome, index) =>
        toResult(outcome, index, mappingOf(index), mayRead),
      ),
    }),
    checkpoint,
    receivedAt: formatMicros(receivedAt),
  };
}

type FailedOutcome = Extract<EventOutcome, { status: 'failed' }>;

function toFailure(
  outcome: FailedOutcome,
  index: number,
  mapping: FieldMapping,
  mayRead: boolean,
): UnprintedAnswer['failed'][number] {
  const { code, message, path } = outcome.failure;
  const { retryable, retryAfterMs, fault } = retryOf(outcome.failure);
  const { differingFields, stored } = outcome;
  return {
    ...nameOf(outcome, index, mapping),
    code,
    // Message and path are shortened, because a kind may compose both of what a client sent.
    message: shortenText(message),
    retryable,
    ...(fault && { fault }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(path !== undefined && { path: shortenText(mapping.pathOf(path)) }),
    ...(mayRead && currentOf(outcome)),
    ...(mayRead && differingFields && printDifferences(differingFields)),
    ...(stored && {
      stored: { version: stored.version, outcome: stored.outcome, kind: stored.kind },
    }),
  };
}

function toResult(
  outcome: EventOutcome,
  index: number,
  mapping: FieldMapping,
  mayRead: boolean,
): NonNullable<UnprintedAnswer['results']>[number] {
  const named = { ...nameOf(outcome, index, mapping), status: outcome.status };
  if (outcome.status === 'failed') {
    return { ...named, code: outcome.failure.code, ...(mayRead && currentOf(outcome)) };
  }
  const { version, outcome: stored } = outcome.event;
  return {
    ...named,
    version,
    ...(outcome.status === 'duplicate' &&
      stored !== 'conflict' && { original: stored === 'merged' ? 'applied' : stored }),
    ...(outcome.clockAdjusted && { clockAdjusted: true as const }),
    ...(mayRead && currentOf(outcome)),
  };
}

function nameOf({ identityKey }: EventOutcome, index: number, { alias }: FieldMapping) {
  return identityKey === null ? { identityKey, ...alias, index } : { identityKey, ...alias };
}

function currentOf({ current }: EventOutcome) {
  return current === undefined ? {} : { current };
}

/** An answer in the words of any dialect. Members that are not named here are printed unchanged. */
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
 * Prints an answer. Each record is printed once, around its stored text, even if several entries show it. It counts
 * once per entry against the maximum, because its bytes are sent once per entry. Records that do not fit are left out,
 * in request order, together with the differing fields. Their entries have `currentOmitted`.
 *
 * @param maxBytes of the answer; an answer that is longer without any record is printed without records
 * @returns JSON
 */
export function printPushAnswer(answer: PrintableAnswer, maxBytes: number): string | Buffer {
  const { failed, results, ...rest } = answer;
  if (!failed.some(hasRecord) && !results?.some(hasRecord)) return JSON.stringify(answer);
  const head = Buffer.from(`${JSON.stringify(rest).slice(0, -1)},"failed":[`);
  const failures = failed.map(printEntry);
  const listed = results?.map(printEntry);
  const size = [...failures, ...(listed ?? [])].reduce((sum, entry) => sum + sizeOf(entry), 0);
  addRecords(groupByEvent(failures, listed), maxBytes - head.length - size);
  return Buffer.concat([
    head,
    ...joinEntries(failures),
    ...(listed ? [Buffer.from('],"results":['), ...joinEntries(listed)] : []),
    Buffer.from(']}'),
  ]);
}

interface PrintedEntry {
  readonly entry: PrintableEntry;
  /** The entry without its record and the differing fields. */
  readonly text: Buffer;
  /** The last members of the entry, with the closing brace. */
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

/** Includes the comma after the entry. */
function sizeOf({ text, rest }: PrintedEntry): number {
  return rest.reduce((sum, { length }) => sum + length, text.length + comma.length);
}

/** The one or two entries of each event, in request order. */
function groupByEvent(
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
  // An answer shows each entity in one state, the one after the batch.
  const texts = new Map<string, Buffer>();
  let left = room;
  for (const entries of events) {
    const record = entries[0]?.entry.current;
    // A character needs at least one byte. A record that cannot fit is not printed at all.
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

function joinEntries(entries: readonly PrintedEntry[]): readonly Buffer[] {
  return entries.flatMap(({ text, rest }, index) =>
    index === 0 ? [text, ...rest] : [comma, text, ...rest],
  );
}
