import { randomUUID } from 'node:crypto';
import type { SyncEvent } from '../../src/domain/event.ts';
import type { FailedEvent } from '../../src/protocol/push.ts';
import type { Client } from './client.ts';
import type { Database, Row } from './database.ts';
import { knownVersion } from './records.ts';
import type { Data } from './view.ts';

export interface Edit extends Partial<Pick<SyncEvent, 'version' | 'sequence'>> {
  readonly kind: string;
  readonly payload: Data;
}

/** Type and id. */
type Entity = readonly [string, string];

/** Why an event failed: an entry of `failed`, the refusal of a request, or BASE_LOST. */
export type Failure = Omit<FailedEvent, 'identityKey' | 'index' | 'code'> & {
  readonly code: string | undefined;
  /** The event waits until the server is mended. */
  readonly fault?: 'server';
  /** With `fault`: when the device first heard of it, in milliseconds of its clock. */
  readonly since?: number;
};

/** As it is queued, and sent at every try. */
export type SentEvent = Edit &
  Partial<Pick<SyncEvent, 'baseVersion' | 'baseKey'>> & {
    readonly identityKey: string;
    readonly occurredAt: string;
  };

export interface QueuedEvent {
  readonly event: SentEvent;
  /** Type and id in one. */
  readonly entity: string;
  readonly attempts: number;
  readonly lastError: Failure | null;
}

/**
 * Queues what the user did; from then on the view shows it.
 *
 * @param guarded the server answers CONFLICT where its record is no longer the one seen here
 * @returns the identityKey
 */
export function enqueue({ database, kinds, clock }: Client, edit: Edit, guarded = false): string {
  const kind = kinds[edit.kind];
  if (!kind) throw new Error(`no such kind: ${edit.kind}`);
  const entity: Entity = [kind.entityType, kind.entityId(edit.payload)];
  // Random, not made from the content: A, then B, then A again are three edits.
  const identityKey = randomUUID();
  return database.transaction(() => {
    const occurredAt = stamp(database, clock());
    const base = guarded ? baseOf(database, entity) : {};
    const order = kind.ordered && { sequence: nextSequence(database, entity, edit.sequence) };
    const event = { ...edit, ...base, ...order, identityKey, occurredAt: format(occurredAt) };
    database.run(
      `INSERT INTO queue (identity_key, entity_type, entity_id, event, occurred_at)
       VALUES (?, ?, ?, ?, ?)`,
      identityKey,
      ...entity,
      JSON.stringify(event),
      occurredAt,
    );
    return identityKey;
  });
}

/**
 * Now in microseconds, but later than each edit that is on its way: two edits in one millisecond,
 * or with the clock set back between them, would otherwise be ordered by their random keys.
 */
function stamp({ get }: Database, now: number): number {
  const { last } = get("SELECT max(occurred_at) AS last FROM queue WHERE status <> 'failed'");
  return Math.max(now * 1_000, Number(last) + 1);
}

function format(micros: number): string {
  const digits = `${micros % 1_000}`.padStart(3, '0');
  return new Date(Math.floor(micros / 1_000)).toISOString().replace('Z', `${digits}Z`);
}

/** The device's clock at the moment of sending, by which the server corrects `occurredAt`. */
export function sentAt(database: Database, now: number): string {
  return format(stamp(database, now));
}

/** @param taken the number itself, where the aggregate's last one came from another device */
function nextSequence({ get }: Database, entity: Entity, taken: number | null = null): number {
  const count = `INSERT INTO sequences VALUES (?, ?, coalesce(?, 1))
    ON CONFLICT DO UPDATE SET last = coalesce(?, last + 1) RETURNING last`;
  return Number(get(count, ...entity, taken, taken).last);
}

/** What the user saw: this device's own last edit, else the server's record, else nothing. */
function baseOf(database: Database, entity: Entity): Partial<SyncEvent> {
  const ownEdit = `SELECT identity_key FROM queue WHERE entity_type = ? AND entity_id = ?
    AND status <> 'failed' ORDER BY position DESC LIMIT 1`;
  const { identity_key: baseKey } = database.get(ownEdit, ...entity);
  if (typeof baseKey === 'string') return { baseKey };
  return { baseVersion: knownVersion(database, ...entity) };
}

/** The next to send, in order; an entity's later edits wait behind one that waits. */
export function nextBatch({ all }: Database, size: number, now: number): QueuedEvent[] {
  // More than a day ahead: the device's clock was set back, and the wait means nothing.
  const waits = `status = 'pending' AND next_attempt_at BETWEEN ${now + 1} AND ${now + 86_400_000}`;
  return all(
    `SELECT * FROM queue AS edit WHERE status = 'pending' AND NOT EXISTS (
       SELECT 1 FROM queue WHERE entity_type = edit.entity_type AND entity_id = edit.entity_id
         AND position <= edit.position AND ${waits})
     ORDER BY position LIMIT ?`,
    size,
  ).map(toQueuedEvent);
}

/** By the device's clock, when the next flush has something to send; undefined for never. */
export function nextAttemptAt({ all }: Database): number | undefined {
  // Beside min(), SQLite takes the row that has it: the first edit of each entity.
  const firsts = all(`SELECT min(position), next_attempt_at AS at FROM queue
    WHERE status = 'pending' GROUP BY entity_type, entity_id`);
  return firsts.length > 0 ? Math.min(...firsts.map(({ at }) => Number(at))) : undefined;
}

export function listQueue({ all }: Database, condition: string): QueuedEvent[] {
  return all(`SELECT * FROM queue WHERE ${condition} ORDER BY position`).map(toQueuedEvent);
}

function toQueuedEvent({ event, entity_type, entity_id, attempts, last_error }: Row): QueuedEvent {
  return {
    event: JSON.parse(String(event)),
    entity: JSON.stringify([entity_type, entity_id]),
    attempts: Number(attempts),
    lastError: JSON.parse(String(last_error)),
  };
}
