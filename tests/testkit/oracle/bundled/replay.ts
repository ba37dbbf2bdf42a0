import { type Accepted, effectiveAtOf, type Fields } from '../last-write-wins.ts';
import { type Meaning, meaningOf, type Order, type Payload, united } from './meanings.ts';
import { type TicketFact, ticketOf } from './tickets.ts';
import { type Seen, textOf, unseen, write } from './write.ts';

/** An event of the log: what its sender sent, and what the service stored of its own about it. */
export interface Logged {
  readonly version: number;
  readonly identityKey: string;
  readonly kind: string;
  readonly kindVersion: number;
  readonly payload: Payload;
  readonly baseVersion?: number;
  readonly baseKey?: string;
  readonly sequence?: number;
  /** This and all other times in microseconds since 1970. */
  readonly occurredAt: number | undefined;
  /** Who sent it; null where the token named no device. */
  readonly device: string | null;
  /** The sender's clock at each request that held it; one of them was the one that was accepted. */
  readonly sentAts: readonly (number | undefined)[];
  /** Where it settles a conflict: how. */
  readonly resolution?: 'discard' | 'force' | 'merge';
  readonly outcome: string;
  readonly effectiveAt: number;
  readonly receivedAt: number;
}

export interface ModelRecord extends Seen {
  readonly entityType: string;
  readonly entityId: string;
  readonly version: number;
  /**
   * Of a deleted record: the events about it since. Where its tombstone was purged, the next of them put a
   * tombstone without data into the feed.
   */
  readonly since: readonly number[];
}

/** What the log should have come to, and where it did otherwise. */
export interface Replayed {
  readonly records: ReadonlyMap<string, ModelRecord>;
  readonly faults: readonly ModelFault[];
}

export interface ModelFault {
  readonly event: Logged;
  readonly message: string;
}

interface Entity {
  record: ModelRecord;
  readonly writes: Accepted[];
  readonly facts: TicketFact[];
  /** When each device's last write of it competed. */
  readonly lastTimes: Map<string | null, number>;
}

/** One tenant's log, in version order, decided again by a model that shares no code with the service. */
export function replay(log: readonly Logged[]): Replayed {
  const entities = new Map<string, Entity>();
  const past: Past = { byKey: new Map(), byVersion: new Map() };
  const faults: ModelFault[] = [];
  for (const event of log) {
    for (const message of decideAgain(event, entities, past)) faults.push({ event, message });
    past.byKey.set(event.identityKey, event);
    past.byVersion.set(event.version, event);
  }
  const records = [...entities].map(([key, { record }]) => [key, record] as const);
  return { records: new Map(records), faults };
}

export function entityKeyOf({ entityType, entityId }: { entityType: string; entityId: string }) {
  return `${entityType} ${entityId}`;
}

interface Past {
  readonly byKey: Map<string, Logged>;
  readonly byVersion: Map<number, Logged>;
}

interface Deciding {
  readonly event: Logged;
  readonly meaning: Meaning;
  readonly entities: Map<string, Entity>;
  readonly past: Past;
}

/** @returns where the service did otherwise */
function decideAgain(event: Logged, entities: Deciding['entities'], past: Past): string[] {
  if (event.resolution === 'discard') return differing('outcome', event.outcome, 'noop');
  const meaning = meaningOf(event.kind, event.kindVersion, event.payload);
  const deciding = { event, meaning, entities, past };
  switch (meaning.policy) {
    case 'fact':
      return tell(deciding, meaning.fact);
    case 'order':
      return order(deciding, meaning.order);
    default:
      return settle(deciding, meaning);
  }
}

function tell({ event, meaning, entities }: Deciding, fact: TicketFact): string[] {
  const entity = entityOf(entities, meaning);
  entity.facts.push(fact);
  const data = ticketOf(entity.facts) as unknown as Fields;
  const changed = keep(entity, event, { deleted: false, data });
  return [
    ...differing('sequence', event.sequence, entity.facts.length),
    ...differing('outcome', event.outcome, changed ? 'applied' : 'noop'),
  ];
}

/** Ownership, what runs already, credits: as they stood when the order came. */
function order({ event, meaning, entities }: Deciding, asked: Order): string[] {
  const { empireId, locationCoord, cost, seconds, ...rest } = asked;
  const empire = entityOf(entities, { entityType: 'empire', entityId: empireId });
  const location = entityOf(entities, { entityType: 'location', entityId: locationCoord });
  const item = entityOf(entities, meaning);
  const startedAt = Math.floor(event.receivedAt / 1000);
  const credits = Number(empire.record.data?.credits);
  const completesAt = item.record.data?.completesAt;
  const faults = [
    location.record.data?.empireId === empireId ? [] : ['accepted for a location of another'],
    typeof completesAt === 'string' && Date.parse(completesAt) > startedAt
      ? ['accepted while the same ran']
      : [],
    credits >= cost ? [] : [`accepted for ${cost} credits where there were ${credits}`],
    differing('outcome', event.outcome, 'applied'),
  ].flat();
  settleWrite(empire, event, { policy: 'patch', fields: { credits: credits - cost } });
  const times = { startedAt: iso(startedAt), completesAt: iso(startedAt + seconds * 1000) };
  const fields = { empireId, locationCoord, ...rest, cost, ...times };
  settleWrite(item, event, { policy: 'put', fields });
  return faults;
}

const iso = (milliseconds: number) => new Date(milliseconds).toISOString();

type Settling = Extract<Meaning, { policy: 'put' | 'patch' | 'remove' }>;

/** Last write wins, where the record is what the event was made on. */
function settle(deciding: Deciding, meaning: Settling): string[] {
  const { event, entities } = deciding;
  const entity = entityOf(entities, meaning);
  const { record } = entity;
  const based = isBased(event, meaning);
  if (based && hasChanged(deciding, meaning, record)) {
    if (isAlreadySo(meaning, record)) return differing('outcome', event.outcome, 'noop');
    const merging = meaning.policy !== 'remove' && meaning.unites && !record.deleted;
    if (!merging || !record.data) return differing('outcome', event.outcome, 'conflict');
    const faults = [
      ...differing('outcome', event.outcome, 'merged'),
      ...wrongTime(entity, event, true),
    ];
    const fields = united(record.data, meaning.fields);
    settleWrite(entity, event, { policy: 'put', fields }, event.effectiveAt);
    return faults;
  }
  const faults = wrongTime(entity, event, based);
  const action =
    meaning.policy === 'remove'
      ? ({ policy: 'remove' } as const)
      : { policy: meaning.policy, fields: meaning.fields };
  const { outcome, partly } = settleWrite(entity, event, action, event.effectiveAt);
  return [...faults, ...differing('outcome', event.outcome, partly ? 'merged' : outcome)];
}

function isBased(event: Logged, { base }: { readonly base?: number }): boolean {
  if (event.resolution) return false;
  return event.baseKey !== undefined || event.baseVersion !== undefined || base !== undefined;
}

/**
 * Where a tombstone may have been purged, its version is one of several: what the service made of the base
 * says which.
 */
function hasChanged(deciding: Deciding, meaning: Settling, record: ModelRecord): boolean {
  const versions = [record.version, ...record.since];
  const found = new Set(versions.map((version) => hasChangedSince(deciding, meaning, version)));
  const isConflict = deciding.event.outcome === 'conflict';
  return found.has(isConflict) ? isConflict : !isConflict;
}

function hasChangedSince({ event, past }: Deciding, meaning: Settling, version: number): boolean {
  if (event.baseKey !== undefined) {
    const base = past.byKey.get(event.baseKey);
    const holds = base?.outcome === 'applied' || base?.outcome === 'noop';
    return !holds || version > base.version;
  }
  const stated = event.baseVersion ?? meaning.base ?? 0;
  if (version === 0 || stated <= version) return stated !== version;
  const base = past.byVersion.get(stated);
  return !base || base.outcome === 'conflict' || !isAbout(base, meaning);
}

function isAbout({ kind, kindVersion, payload }: Logged, meaning: Meaning): boolean {
  return entityKeyOf(meaningOf(kind, kindVersion, payload)) === entityKeyOf(meaning);
}

/** Both sides wanted the same. */
function isAlreadySo(meaning: Settling, { deleted, data }: ModelRecord): boolean {
  if (meaning.policy === 'remove') return deleted;
  if (deleted) return false;
  const kept = meaning.policy === 'patch' ? data : {};
  return textOf({ ...kept, ...meaning.fields }) === textOf(data);
}

/** The stored time must be that of one of the requests, moved as the contract says. */
function wrongTime(entity: Entity, event: Logged, based: boolean): string[] {
  const { occurredAt, receivedAt, effectiveAt } = event;
  const newest = Math.max(...entity.writes.map((other) => other.effectiveAt));
  const ownLast = entity.lastTimes.get(event.device) ?? Number.NEGATIVE_INFINITY;
  const possible = event.sentAts.map((sentAt) => {
    const told = effectiveAtOf({ occurredAt, sentAt, receivedAt });
    const at = Math.max(told, ownLast + 1);
    return based ? Math.min(Math.max(at, newest + 1), receivedAt) : at;
  });
  if (event.resolution ? effectiveAt === receivedAt : possible.includes(effectiveAt)) return [];
  return [`effectiveAt is ${effectiveAt}, where ${possible.join(' or ')} was expected`];
}

function settleWrite(
  entity: Entity,
  event: Logged,
  action: { policy: 'put' | 'patch'; fields: Fields } | { policy: 'remove' },
  effectiveAt = event.receivedAt,
) {
  const { identityKey } = event;
  const { entityId } = entity.record;
  const accepted: Accepted = { ...action, identityKey, entityId, effectiveAt };
  const written = write(entity.writes, accepted);
  entity.writes.push(accepted);
  entity.lastTimes.set(event.device, effectiveAt);
  const since = written.after.deleted ? [...entity.record.since, event.version] : [];
  const version = written.changed ? event.version : entity.record.version;
  entity.record = { ...entity.record, ...written.after, version, since };
  return written;
}

function keep(entity: Entity, { version }: Logged, after: Seen): boolean {
  const { deleted, data } = entity.record;
  if (textOf({ deleted, data }) === textOf(after)) return false;
  entity.record = { ...entity.record, ...after, version };
  return true;
}

function entityOf(
  entities: Map<string, Entity>,
  { entityType, entityId }: { entityType: string; entityId: string },
): Entity {
  const key = entityKeyOf({ entityType, entityId });
  const found = entities.get(key);
  if (found) return found;
  const record = { entityType, entityId, version: 0, since: [], ...unseen };
  const made = { record, writes: [], facts: [], lastTimes: new Map() };
  entities.set(key, made);
  return made;
}

function differing(what: string, stored: unknown, expected: unknown): string[] {
  if (stored === expected) return [];
  return [`${what} is ${String(stored)}, where ${String(expected)} was expected`];
}
