import type { EntityRef } from '../../../src/domain/record.ts';
import type { SentEvent } from '../events/sent-events.ts';
import { entityKeyOf } from '../oracle/entity-key.ts';
import type { Random } from './random.ts';

/** A record as a device knows it. */
export interface KnownRecord {
  readonly version: number;
  readonly deleted: boolean;
  readonly data: { readonly [name: string]: unknown } | null;
}

/** Writes the events of one device. It uses what the device knows of its tenant's records. */
export interface EventWriter {
  readonly device: string;
  readonly random: Random;
  /** The record as the device last pulled it. */
  findRecord(entityType: string, entityId: string): KnownRecord | undefined;
  /** The identityKey of the device's newest event about the entity, unless that event failed for good. */
  lastIdentityKey(entityType: string, entityId: string): string | undefined;
  /** Creates an event with a new identityKey, which becomes the newest event about the entity. */
  write(entity: EntityRef, kind: string, payload: object, rest?: object): SentEvent;
  /** The time of an edit, by the device's clock; or no time, as some devices do not send it. */
  occurrence(): { readonly occurredAt?: string };
  /** Forgets an event that failed for good, so that no later event has it as its base. */
  forget(identityKey: string): void;
}

/** One thing that a user does in an app. @returns its events, in the order in which they happened */
export type UserOperation = (writer: EventWriter) => readonly SentEvent[];

/** The precondition of a careful edit: the device's own earlier event, or the record that it last pulled. */
export function basePrecondition(writer: EventWriter, { entityType, entityId }: EntityRef) {
  const baseKey = writer.random.chance(0.6)
    ? writer.lastIdentityKey(entityType, entityId)
    : undefined;
  if (baseKey !== undefined) return { baseKey };
  return { baseVersion: writer.findRecord(entityType, entityId)?.version ?? 0 };
}

export interface EventWriterOptions {
  readonly device: string;
  readonly random: Random;
  /** The device's clock, in milliseconds since 1970. */
  readonly now: () => number;
  readonly findRecord: EventWriter['findRecord'];
}

const minuteMs = 60_000;

export function createEventWriter(options: EventWriterOptions): EventWriter {
  const { device, random, now, findRecord } = options;
  const newestKeys = new Map<string, string>();
  const entities = new Map<string, string>();
  let written = 0;

  /** Milliseconds since an edit; now and then negative, as if the clock was set back. */
  function randomAge(): number {
    if (random.chance(0.05)) return -random.int(1, 60) * minuteMs;
    return random.chance(0.1) ? random.int(1, 180) * minuteMs : random.int(0, 5_000);
  }

  return {
    device,
    random,
    findRecord,
    lastIdentityKey: (entityType, entityId) =>
      newestKeys.get(entityKeyOf({ entityType, entityId })),
    write(entity, kind, payload, rest = {}): SentEvent {
      written += 1;
      const identityKey = `${device}-${written}`;
      const entityKey = entityKeyOf(entity);
      newestKeys.set(entityKey, identityKey);
      entities.set(identityKey, entityKey);
      return { identityKey, kind, payload, ...rest };
    },
    occurrence: () =>
      random.chance(0.2) ? {} : { occurredAt: new Date(now() - randomAge()).toISOString() },
    forget(identityKey) {
      const entityKey = entities.get(identityKey);
      if (entityKey !== undefined && newestKeys.get(entityKey) === identityKey) {
        newestKeys.delete(entityKey);
      }
    },
  };
}
