/**
 * The contract's definition of a record, written down as a definition: what remains of a set of
 * accepted events, whatever the order they came in. It replays nothing and shares no code with the
 * service.
 */

export type Value = string | number | boolean | null | readonly Value[] | Fields;

export interface Fields {
  readonly [name: string]: Value;
}

export type Action =
  | { readonly policy: 'put' | 'patch'; readonly fields: Fields }
  | { readonly policy: 'remove' };

export type Accepted = Action & {
  readonly identityKey: string;
  readonly entityId: string;
  /** Microseconds since 1970. */
  readonly effectiveAt: number;
};

export interface FinalRecord {
  readonly entityId: string;
  readonly deleted: boolean;
  /** As a list, so that a name such as `constructor` is a field like any other. */
  readonly data: readonly (readonly [name: string, value: Value])[] | null;
}

/** Sorted by entity id. */
export function finalRecords(accepted: readonly Accepted[]): FinalRecord[] {
  const byEntity = Map.groupBy(accepted, (event) => event.entityId);
  return [...byEntity]
    .map(([entityId, events]) => ({ entityId, ...finalState(events) }))
    .sort((left, right) => (left.entityId < right.entityId ? -1 : 1));
}

/** What remains of one entity's events. */
export function finalState(events: readonly Accepted[]): Omit<FinalRecord, 'entityId'> {
  const writes = events.filter((event) => event.policy !== 'remove');
  const newestWrite = greatest(writes);
  const newestRemove = greatest(events.filter((event) => event.policy === 'remove'));
  const deleted =
    newestRemove !== undefined && (!newestWrite || isGreater(newestRemove, newestWrite));
  if (!newestWrite) return { deleted, data: null };

  const names = new Set(writes.flatMap((write) => Object.keys(write.fields)));
  const data = [...names].sort().flatMap((name) => {
    // A put writes every field, those it does not name too: they are gone.
    const writer = greatest(
      writes.filter((write) => write.policy === 'put' || Object.hasOwn(write.fields, name)),
    );
    const value = writer && Object.getOwnPropertyDescriptor(writer.fields, name);
    return value ? [[name, value.value as Value] as const] : [];
  });
  return { deleted, data };
}

export function greatest<Event extends Accepted>(events: readonly Event[]): Event | undefined {
  return events.reduce<Event | undefined>(
    (best, event) => (best && isGreater(best, event) ? best : event),
    undefined,
  );
}

export function isGreater(left: Accepted, right: Accepted): boolean {
  if (left.effectiveAt !== right.effectiveAt) return left.effectiveAt > right.effectiveAt;
  const leftDeletes = left.policy === 'remove';
  if (leftDeletes !== (right.policy === 'remove')) return leftDeletes;
  // The C collation compares bytes.
  return Buffer.compare(Buffer.from(left.identityKey), Buffer.from(right.identityKey)) > 0;
}

/** All times in microseconds since 1970. */
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
