import type { RecordLifter } from '../kinds/record-lifter.ts';
import { entityKey, type EntityRef, isSameEntity, type RecordState } from '../record.ts';
import type { StoredEffect, EventReference, StoredEvent, KnownEvent } from '../stored-event.ts';
import type { TenantSnapshot } from './tenant-plan.ts';
import { liftState } from './lift-state.ts';
import { RecordData } from './record-data.ts';

/** A record while events are decided. */
export interface DraftRecord extends Omit<RecordState, 'data'> {
  readonly data: RecordData | null;
}

/** A record with its data as text, as it is stored and answered. */
export function toRecordState(record: DraftRecord): RecordState {
  return { ...record, data: record.data && record.data.text };
}

/**
 * What a tenant would look like after the events decided so far. A batch is decided on a draft of
 * its own, which its tenant's draft adopts, or forgets where an atomic batch failed.
 */
export class TenantDraft {
  head: number;
  headReference: EventReference | undefined;
  /**
   * When the next event is received: the clock under the lock, a microsecond later for each event.
   * So events that count by their receipt keep the order in which the client sent them.
   */
  receivedAt: number;
  readonly events: StoredEvent[] = [];
  readonly effects: StoredEffect[] = [];
  readonly #parent: TenantDraft | undefined;
  readonly #known = new Map<string, KnownEvent>();
  readonly #records = new Map<string, DraftRecord>();
  readonly #lastTimes = new Map<string, number>();

  readonly lifter: RecordLifter;
  /** Why records cannot be read that were loaded. */
  readonly #unreadable: Map<string, Error>;

  private constructor(
    base: Pick<TenantDraft, 'head' | 'headReference' | 'receivedAt' | 'lifter'>,
    parent: TenantDraft | undefined,
  ) {
    this.head = base.head;
    this.headReference = base.headReference;
    this.receivedAt = base.receivedAt;
    this.lifter = base.lifter;
    this.#unreadable = parent ? parent.#unreadable : new Map();
    this.#parent = parent;
  }

  /** The tenant as it stands in the database, and an empty draft on top of it. */
  static of(snapshot: TenantSnapshot, lifter: RecordLifter): TenantDraft {
    // The clock may have been set back, as by a failover: receipts of a tenant never go back.
    const last = snapshot.headReference?.receivedAt ?? Number.NEGATIVE_INFINITY;
    const receivedAt = Math.max(snapshot.receivedAt, last + 1);
    const stored = new TenantDraft({ ...snapshot, receivedAt, lifter }, undefined);
    for (const event of snapshot.known) stored.#known.set(event.identityKey, event);
    for (const record of snapshot.records) {
      const { state, fault } = liftState(record, lifter);
      const data = state.data === null ? null : RecordData.ofText(state.data);
      stored.#records.set(entityKey(record), { ...state, data });
      if (fault) stored.#unreadable.set(entityKey(record), fault);
    }
    return stored.fork();
  }

  fork(): TenantDraft {
    return new TenantDraft(this, this);
  }

  adopt(child: TenantDraft): void {
    this.head = child.head;
    this.headReference = child.headReference;
    this.receivedAt = child.receivedAt;
    for (const event of child.events) this.events.push(event);
    for (const effect of child.effects) this.effects.push(effect);
    for (const [key, event] of child.#known) this.#known.set(key, event);
    for (const [key, record] of child.#records) this.#records.set(key, record);
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
    return this.#findByKey(entityKey(entity));
  }

  /** When the batch's event before this one of the same entity happened, in microseconds since 1970. */
  lastTimeOf(entity: EntityRef): number | undefined {
    return this.#lastTimes.get(entityKey(entity));
  }

  /** Why the first of these records cannot be read that cannot; nothing can be decided on it. */
  findUnreadable(entities: readonly EntityRef[]): Error | undefined {
    if (this.#unreadable.size === 0) return undefined;
    const key = entities.map(entityKey).find((one) => this.#unreadable.has(one));
    return key === undefined ? undefined : this.#unreadable.get(key);
  }

  putRecord(record: DraftRecord): void {
    this.#records.set(entityKey(record), record);
  }

  /** Appends an event that has the next version and the next receipt. */
  append(event: StoredEvent): KnownEvent & StoredEvent {
    const known = { ...event, previous: this.headReference };
    this.events.push(event);
    // The order of a known device is kept with the record, over its batches.
    if (event.deviceId === null) this.#lastTimes.set(entityKey(event), event.effectiveAt);
    this.#known.set(event.identityKey, known);
    this.head = event.version;
    this.headReference = event;
    this.receivedAt += 1;
    return known;
  }

  #findByKey(key: string): DraftRecord | undefined {
    const parent = this.#parent;
    return this.#records.get(key) ?? (parent && parent.#findByKey(key));
  }
}
