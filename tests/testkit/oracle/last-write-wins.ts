/**
 * The protocol's definition of a record: what remains of a set of accepted writes, independent of the order in
 * which they arrived. It replays nothing and shares no code with the service.
 */

export type FieldValue = string | number | boolean | null | readonly FieldValue[] | FieldValues;

export interface FieldValues {
  readonly [name: string]: FieldValue;
}

export type WriteAction =
  | { readonly policy: 'put' | 'patch'; readonly fields: FieldValues }
  | { readonly policy: 'remove' };

export type AcceptedWrite = WriteAction & {
  readonly identityKey: string;
  readonly entityId: string;
  /** Microseconds since 1970. */
  readonly effectiveAt: number;
};

export interface FinalRecord {
  readonly entityId: string;
  readonly deleted: boolean;
  /** A list, so that `constructor` and other names of object members need no special treatment. */
  readonly data: readonly (readonly [name: string, value: FieldValue])[] | null;
}

/** Sorted by entity id. */
export function finalRecords(accepted: readonly AcceptedWrite[]): FinalRecord[] {
  const byEntity = Map.groupBy(accepted, (event) => event.entityId);
  return [...byEntity]
    .map(([entityId, events]) => ({ entityId, ...finalState(events) }))
    .sort((left, right) => (left.entityId < right.entityId ? -1 : 1));
}

/** The record that one entity's writes result in. */
export function finalState(events: readonly AcceptedWrite[]): Omit<FinalRecord, 'entityId'> {
  const writes = events.filter((event) => event.policy !== 'remove');
  const newestWrite = newestOf(writes);
  const newestRemove = newestOf(events.filter((event) => event.policy === 'remove'));
  const deleted =
    newestRemove !== undefined && (!newestWrite || isNewer(newestRemove, newestWrite));
  if (!newestWrite) return { deleted, data: null };

  const names = new Set(writes.flatMap((write) => Object.keys(write.fields)));
  const data = [...names].sort().flatMap((name) => {
    // A put writes every field: it removes those that it does not name.
    const writer = newestOf(
      writes.filter((write) => write.policy === 'put' || Object.hasOwn(write.fields, name)),
    );
    const value = writer && Object.getOwnPropertyDescriptor(writer.fields, name);
    return value ? [[name, value.value as FieldValue] as const] : [];
  });
  return { deleted, data };
}

export function newestOf<Event extends AcceptedWrite>(events: readonly Event[]): Event | undefined {
  return events.reduce<Event | undefined>(
    (best, event) => (best && isNewer(best, event) ? best : event),
    undefined,
  );
}

export function isNewer(left: AcceptedWrite, right: AcceptedWrite): boolean {
  if (left.effectiveAt !== right.effectiveAt) return left.effectiveAt > right.effectiveAt;
  const leftDeletes = left.policy === 'remove';
  if (leftDeletes !== (right.policy === 'remove')) return leftDeletes;
  // The C collation compares bytes.
  return Buffer.compare(Buffer.from(left.identityKey), Buffer.from(right.identityKey)) > 0;
}

/** When a write counts, by the protocol's rules for clocks. All times are microseconds since 1970. */
export function effectiveAtOf(clock: {
  readonly occurredAt: number | undefined;
  readonly sentAt: number | undefined;
  readonly receivedAt: number;
}): number {
  const { occurredAt, sentAt, receivedAt } = clock;
  if (occurredAt === undefined) return receivedAt;
  if (sentAt === undefined) return Math.min(occurredAt, receivedAt);
  if (occurredAt > sentAt) return receivedAt;
  return Math.min(occurredAt + (receivedAt - sentAt), receivedAt);
}
