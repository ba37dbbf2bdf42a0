import { EntityMap } from '../entity-map.ts';
import type { EventReference, KnownEvent, StoredEffect, StoredEvent } from '../event.ts';
import type { RecordView } from '../kinds/intent.ts';
import type { RecordLifter, TypeRename } from '../kinds/record-versions.ts';
import { RecordData } from '../record-data.ts';
import {
  type EntityRef,
  isAfter,
  isSameEntity,
  type RecordClock,
  type RecordState,
  type Stamp,
} from '../record.ts';
import type { TenantSnapshot } from './tenant-plan.ts';

/** A record while events are decided. */
export interface DraftRecord extends Omit<RecordState, 'data'> {
  readonly data: RecordData | null;
}

/** An event that is about to be stored, and that later events of the batch may refer to. */
export type DraftEvent = StoredEvent & KnownEvent;

/** A record with its data as text, as it is stored and sent. */
export function toRecordState(record: DraftRecord): RecordState {
  return { ...record, data: record.data && record.data.text };
}

/** A record as kinds see it; undefined if it does not exist or is deleted. */
export function toRecordView(record: DraftRecord | undefined): RecordView | undefined {
  if (!record?.data || record.deleted) return undefined;
  const { entityType, entityId, version, updatedAt } = record;
  const data = record.data.frozenFields;
  return { entityType, entityId, version, data, updatedAtMs: Math.floor(updatedAt / 1000) };
}

/**
 * The state of a tenant after the events that were decided so far. An atomic batch is decided on a draft of its own.
 * The tenant's draft then adopts it, or drops it if the batch failed.
 */
export class TenantDraft {
  head: number;
  headReference: EventReference | undefined;
  /**
   * When the next event is received: the clock under the lock, a microsecond later for each event. So events that
   * count by their time of receipt keep the order in which the client sent them.
   */
  receivedAt: number;
  readonly lifter: RecordLifter;
  readonly events: StoredEvent[] = [];
  readonly effects: StoredEffect[] = [];
  readonly #parent: TenantDraft | undefined;
  readonly #known = new Map<string, KnownEvent>();
  readonly #records = new EntityMap<DraftRecord>();
  readonly #lastTimes = new EntityMap<number>();
  /** The loaded records that cannot be read, with the reason. */
  readonly #unreadable: EntityMap<Error>;

  private constructor(
    base: Pick<TenantDraft, 'head' | 'headReference' | 'receivedAt' | 'lifter'>,
    parent: TenantDraft | undefined,
  ) {
    this.head = base.head;
    this.headReference = base.headReference;
    this.receivedAt = base.receivedAt;
    this.lifter = base.lifter;
    this.#unreadable = parent ? parent.#unreadable : new EntityMap();
    this.#parent = parent;
  }

  /** An empty draft on top of the tenant's state in the database. */
  static of(snapshot: TenantSnapshot, lifter: RecordLifter): TenantDraft {
    // The database's clock may go back, for example in a failover. The receipts of a tenant never go back.
    const last = snapshot.headReference?.receivedAt ?? Number.NEGATIVE_INFINITY;
    const receivedAt = Math.max(snapshot.receivedAt, last + 1);
    const stored = new TenantDraft({ ...snapshot, receivedAt, lifter }, undefined);
    for (const event of snapshot.known) stored.#known.set(event.identityKey, event);
    for (const record of snapshot.records) {
      const { state, fault } = liftState(record, lifter);
      const data = state.data === null ? null : RecordData.ofText(state.data);
      stored.#records.set(record, { ...state, data });
      if (fault) stored.#unreadable.set(record, fault);
    }
    return stored.fork();
  }

  fork(): TenantDraft {
    return new TenantDraft(this, this);
  }

  /** The draft on which the next batch is decided. One that may have to be dropped is not this one. */
  beginBatch(isAtomic: boolean): TenantDraft {
    this.#lastTimes.clear();
    return isAtomic ? this.fork() : this;
  }

  /** @param child the draft of a batch */
  adopt(child: TenantDraft): void {
    if (child === this) return;
    this.head = child.head;
    this.headReference = child.headReference;
    this.receivedAt = child.receivedAt;
    for (const event of child.events) this.events.push(event);
    for (const effect of child.effects) this.effects.push(effect);
    for (const [key, event] of child.#known) this.#known.set(key, event);
    for (const record of child.#records.values()) this.#records.set(record, record);
  }

  /** The records that this draft itself changed. */
  get records(): readonly RecordState[] {
    return [...this.#records.values()].map(toRecordState);
  }

  findKnown(identityKey: string): KnownEvent | undefined {
    return this.#known.get(identityKey) ?? this.#parent?.findKnown(identityKey);
  }

  /** The event of an entity at a version of the log. */
  findBase(entity: EntityRef, version: number): KnownEvent | undefined {
    for (const event of this.#known.values()) {
      if (event.version === version) return isSameEntity(event, entity) ? event : undefined;
    }
    return this.#parent?.findBase(entity, version);
  }

  findRecord(entity: EntityRef): DraftRecord | undefined {
    return this.#records.get(entity) ?? this.#parent?.findRecord(entity);
  }

  /** When the previous event of the entity in this batch happened, in microseconds since 1970. */
  lastTimeOf(entity: EntityRef): number | undefined {
    return this.#lastTimes.get(entity);
  }

  /** Why the first of these records that cannot be read cannot be read. Events on it cannot be decided. */
  findUnreadable(entities: readonly EntityRef[]): Error | undefined {
    if (this.#unreadable.isEmpty) return undefined;
    const unreadable = entities.find((entity) => this.#unreadable.has(entity));
    return unreadable && this.#unreadable.get(unreadable);
  }

  putRecord(record: DraftRecord): void {
    this.#records.set(record, record);
  }

  addEffect(effect: StoredEffect): void {
    this.effects.push(effect);
  }

  /** Appends an event that has the next version and the next time of receipt. */
  append(event: DraftEvent): void {
    this.events.push(event);
    // For a known device, the record stores when it last wrote, also over several batches.
    if (event.deviceId === null) this.#lastTimes.set(event, event.effectiveAt);
    this.#known.set(event.identityKey, event);
    this.head = event.version;
    this.headReference = event;
    this.receivedAt += 1;
  }
}

interface LiftedState {
  readonly state: RecordState;
  /** Why the record cannot be read; the state is then as it is stored. */
  readonly fault?: Error;
}

/** Converts a record to the newest version of its type's data, in which events are decided. */
export function liftState(state: RecordState, lifter: RecordLifter): LiftedState {
  if (lifter.isNewest(state)) return { state };
  const lifted = lifter.lift(state);
  if (!lifted.ok) return { state, fault: lifted.fault };
  const { data, dataVersion, renamings } = lifted;
  const clock = renamings.reduce(renameStamps, state.clock);
  return { state: { ...state, data, dataVersion, clock } };
}

/**
 * Fields that appear where others disappear get the newest stamp of those. So a late patch from before that stamp does
 * not win over a field that has another name now. The stamps of the fields that disappeared are then not needed. If no
 * field appears, they are kept, because they still tell that the record is alive.
 */
function renameStamps(clock: RecordClock, { gone, came }: TypeRename): RecordClock {
  const stamps = Object.entries(clock.fields ?? {});
  const [first, ...others] = stamps
    .filter(([name]) => gone.includes(name))
    .map(([, stamp]) => stamp);
  if (!first) return clock;
  const newest = others.reduce((one: Stamp, other) => (isAfter(other, one) ? other : one), first);
  const kept = stamps.filter(([name]) => !gone.includes(name));
  const fields = Object.fromEntries([...kept, ...came.map((name) => [name, newest] as const)]);
  return { ...clock, fields };
}
