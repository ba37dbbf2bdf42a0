import { entityKeyOf } from '../entity-key.ts';
import { type AcceptedWrite, effectiveAtOf, type FieldValues } from '../last-write-wins.ts';
import { absentState, applyWrite, sortedJson, type VisibleState } from './apply-write.ts';
import {
  type ColonyOrder,
  type EventPayload,
  mergeCustomers,
  type RequestedChange,
  requestedChangeOf,
} from './requested-changes.ts';
import { expectedTicket, type TicketChange } from './tickets.ts';

/** An event of the log: what its device has sent, and what the service has decided. */
export interface LogEvent {
  readonly version: number;
  readonly identityKey: string;
  readonly kind: string;
  readonly kindVersion: number;
  readonly payload: EventPayload;
  readonly baseVersion?: number;
  readonly baseKey?: string;
  readonly sequence?: number;
  /** All times are microseconds since 1970. */
  readonly occurredAt: number | undefined;
  /** The device that sent the event; null where its token named none. */
  readonly device: string | null;
  /** The device's clock at each request that contained the event. The service accepted one of these requests. */
  readonly sentAts: readonly (number | undefined)[];
  /** How the event resolves a conflict; undefined where it does not. */
  readonly resolution?: 'discard' | 'force' | 'merge';
  readonly outcome: string;
  readonly effectiveAt: number;
  readonly receivedAt: number;
}

export interface ExpectedRecord extends VisibleState {
  readonly entityType: string;
  readonly entityId: string;
  readonly version: number;
  /**
   * The versions of the events about a deleted record since its deletion. Where its tombstone was purged, the
   * next of these events has put a tombstone without data into the feed.
   */
  readonly since: readonly number[];
}

/** The records that the log should result in, and where the service decided in another way. */
export interface ReplayResult {
  readonly records: ReadonlyMap<string, ExpectedRecord>;
  readonly faults: readonly ReplayFault[];
}

export interface ReplayFault {
  readonly event: LogEvent;
  readonly message: string;
}

interface Entity {
  record: ExpectedRecord;
  readonly writes: AcceptedWrite[];
  readonly ticketChanges: TicketChange[];
  /** The effective time of each device's last write to the entity. */
  readonly lastTimes: Map<string | null, number>;
}

/**
 * Decides one tenant's log again, in version order. The model follows the documents and shares no code with the
 * service.
 */
export function replayLog(log: readonly LogEvent[]): ReplayResult {
  const entities = new Map<string, Entity>();
  const past: Past = { byKey: new Map(), byVersion: new Map() };
  const faults: ReplayFault[] = [];
  for (const event of log) {
    for (const message of decideAgain(event, entities, past)) faults.push({ event, message });
    past.byKey.set(event.identityKey, event);
    past.byVersion.set(event.version, event);
  }
  const records = [...entities].map(([key, { record }]) => [key, record] as const);
  return { records: new Map(records), faults };
}

/** The events before the one that is decided. */
interface Past {
  readonly byKey: Map<string, LogEvent>;
  readonly byVersion: Map<number, LogEvent>;
}

interface Decision {
  readonly event: LogEvent;
  readonly change: RequestedChange;
  readonly entities: Map<string, Entity>;
  readonly past: Past;
}

/** @returns the differences from what the service decided */
function decideAgain(event: LogEvent, entities: Decision['entities'], past: Past): string[] {
  if (event.resolution === 'discard') return compare('outcome', event.outcome, 'noop');
  const change = requestedChangeOf(event.kind, event.kindVersion, event.payload);
  const decision = { event, change, entities, past };
  switch (change.policy) {
    case 'fact':
      return appendFact(decision, change.fact);
    case 'order':
      return placeOrder(decision, change.order);
    default:
      return decideWrite(decision, change);
  }
}

function appendFact({ event, change, entities }: Decision, fact: TicketChange): string[] {
  const entity = entityOf(entities, change);
  entity.ticketChanges.push(fact);
  const data = expectedTicket(entity.ticketChanges) as unknown as FieldValues;
  const isChanged = updateRecord(entity, event, { deleted: false, data });
  return [
    ...compare('sequence', event.sequence, entity.ticketChanges.length),
    ...compare('outcome', event.outcome, isChanged ? 'applied' : 'noop'),
  ];
}

/** An order depends on the owner, on running orders and on the credits when it was received. */
function placeOrder({ event, change, entities }: Decision, requested: ColonyOrder): string[] {
  const { empireId, locationCoord, cost, seconds, ...rest } = requested;
  const empire = entityOf(entities, { entityType: 'empire', entityId: empireId });
  const location = entityOf(entities, { entityType: 'location', entityId: locationCoord });
  const item = entityOf(entities, change);
  const startedAt = Math.floor(event.receivedAt / 1000);
  const credits = Number(empire.record.data?.credits);
  const completesAt = item.record.data?.completesAt;
  const faults = [
    location.record.data?.empireId === empireId ? [] : ['accepted for a location of another'],
    typeof completesAt === 'string' && Date.parse(completesAt) > startedAt
      ? ['accepted while the same ran']
      : [],
    credits >= cost ? [] : [`accepted for ${cost} credits where there were ${credits}`],
    compare('outcome', event.outcome, 'applied'),
  ].flat();
  recordWrite(empire, event, { policy: 'patch', fields: { credits: credits - cost } });
  const times = { startedAt: iso(startedAt), completesAt: iso(startedAt + seconds * 1000) };
  const fields = { empireId, locationCoord, ...rest, cost, ...times };
  recordWrite(item, event, { policy: 'put', fields });
  return faults;
}

const iso = (milliseconds: number) => new Date(milliseconds).toISOString();

type WriteChange = Extract<RequestedChange, { policy: 'put' | 'patch' | 'remove' }>;

/** The last write wins, where the record has not changed since the base of the event. */
function decideWrite(decision: Decision, change: WriteChange): string[] {
  const { event, entities } = decision;
  const entity = entityOf(entities, change);
  const { record } = entity;
  const hasBase = statesBase(event, change);
  if (hasBase && hasChanged(decision, change, record)) {
    if (isAlreadyApplied(change, record)) return compare('outcome', event.outcome, 'noop');
    const canMerge = change.policy !== 'remove' && change.merges && !record.deleted;
    if (!canMerge || !record.data) return compare('outcome', event.outcome, 'conflict');
    const faults = [
      ...compare('outcome', event.outcome, 'merged'),
      ...timeFaults(entity, event, true),
    ];
    const fields = mergeCustomers(record.data, change.fields);
    recordWrite(entity, event, { policy: 'put', fields }, event.effectiveAt);
    return faults;
  }
  const faults = timeFaults(entity, event, hasBase);
  const action =
    change.policy === 'remove'
      ? ({ policy: 'remove' } as const)
      : { policy: change.policy, fields: change.fields };
  const { outcome, isPartial } = recordWrite(entity, event, action, event.effectiveAt);
  return [...faults, ...compare('outcome', event.outcome, isPartial ? 'merged' : outcome)];
}

function statesBase(event: LogEvent, { base }: { readonly base?: number }): boolean {
  if (event.resolution) return false;
  return event.baseKey !== undefined || event.baseVersion !== undefined || base !== undefined;
}

/**
 * Whether the record has changed since the event's base. Where its tombstone may have been purged, the record
 * may have one of several versions. The decision of the service then shows which one.
 */
function hasChanged(decision: Decision, change: WriteChange, record: ExpectedRecord): boolean {
  const versions = [record.version, ...record.since];
  const possible = new Set(versions.map((version) => hasChangedSince(decision, change, version)));
  const isConflict = decision.event.outcome === 'conflict';
  return possible.has(isConflict) ? isConflict : !isConflict;
}

function hasChangedSince({ event, past }: Decision, change: WriteChange, version: number): boolean {
  if (event.baseKey !== undefined) {
    const base = past.byKey.get(event.baseKey);
    const isApplied = base?.outcome === 'applied' || base?.outcome === 'noop';
    return !isApplied || version > base.version;
  }
  const baseVersion = event.baseVersion ?? change.base ?? 0;
  if (version === 0 || baseVersion <= version) return baseVersion !== version;
  const base = past.byVersion.get(baseVersion);
  return !base || base.outcome === 'conflict' || !isAbout(base, change);
}

function isAbout({ kind, kindVersion, payload }: LogEvent, change: RequestedChange): boolean {
  return entityKeyOf(requestedChangeOf(kind, kindVersion, payload)) === entityKeyOf(change);
}

/** Whether the record is already as the event wants it, as where two devices made the same edit. */
function isAlreadyApplied(change: WriteChange, { deleted, data }: ExpectedRecord): boolean {
  if (change.policy === 'remove') return deleted;
  if (deleted) return false;
  const kept = change.policy === 'patch' ? data : {};
  return sortedJson({ ...kept, ...change.fields }) === sortedJson(data);
}

/** The stored effective time must follow from the `sentAt` of one of the requests. */
function timeFaults(entity: Entity, event: LogEvent, hasBase: boolean): string[] {
  const { occurredAt, receivedAt, effectiveAt } = event;
  const newestTime = Math.max(...entity.writes.map((write) => write.effectiveAt));
  const ownLast = entity.lastTimes.get(event.device) ?? Number.NEGATIVE_INFINITY;
  const possible = event.sentAts.map((sentAt) => {
    const at = Math.max(effectiveAtOf({ occurredAt, sentAt, receivedAt }), ownLast + 1);
    return hasBase ? Math.min(Math.max(at, newestTime + 1), receivedAt) : at;
  });
  if (event.resolution ? effectiveAt === receivedAt : possible.includes(effectiveAt)) return [];
  return [`effectiveAt is ${effectiveAt}, where ${possible.join(' or ')} was expected`];
}

function recordWrite(
  entity: Entity,
  event: LogEvent,
  action: { policy: 'put' | 'patch'; fields: FieldValues } | { policy: 'remove' },
  effectiveAt = event.receivedAt,
) {
  const { identityKey } = event;
  const { entityId } = entity.record;
  const write: AcceptedWrite = { ...action, identityKey, entityId, effectiveAt };
  const effect = applyWrite(entity.writes, write);
  entity.writes.push(write);
  entity.lastTimes.set(event.device, effectiveAt);
  const since = effect.after.deleted ? [...entity.record.since, event.version] : [];
  const version = effect.changed ? event.version : entity.record.version;
  entity.record = { ...entity.record, ...effect.after, version, since };
  return effect;
}

/** @returns whether the record has changed */
function updateRecord(entity: Entity, { version }: LogEvent, after: VisibleState): boolean {
  const { deleted, data } = entity.record;
  if (sortedJson({ deleted, data }) === sortedJson(after)) return false;
  entity.record = { ...entity.record, ...after, version };
  return true;
}

function entityOf(
  entities: Map<string, Entity>,
  { entityType, entityId }: { entityType: string; entityId: string },
): Entity {
  const key = entityKeyOf({ entityType, entityId });
  const existing = entities.get(key);
  if (existing) return existing;
  const record = { entityType, entityId, version: 0, since: [], ...absentState };
  const created = { record, writes: [], ticketChanges: [], lastTimes: new Map() };
  entities.set(key, created);
  return created;
}

function compare(name: string, stored: unknown, expected: unknown): string[] {
  if (stored === expected) return [];
  return [`${name} is ${String(stored)}, where ${String(expected)} was expected`];
}
