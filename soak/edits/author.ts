import type { SentEvent } from '../../tests/testkit/oracle/events.ts';
import type { Random } from '../random.ts';

/** A record as a device knows it. */
export interface KnownRecord {
  readonly version: number;
  readonly deleted: boolean;
  readonly data: { readonly [name: string]: unknown } | null;
}

/** Who writes: one device, with what it knows of its tenant's records. */
export interface Author {
  readonly device: string;
  readonly random: Random;
  /** As the device last pulled it. */
  find(entityType: string, entityId: string): KnownRecord | undefined;
  /** The key of the device's own newest event about the entity, unless that failed for good. */
  lastKey(entityType: string, entityId: string): string | undefined;
  /** An event under a new key, which the device remembers as its newest about the entity. */
  write(entity: Entity, kind: string, payload: object, rest?: object): SentEvent;
  /** When it happened, by a clock that may be off by up to a year; or nothing, as some devices say. */
  when(): { readonly occurredAt?: string };
}

export interface Entity {
  readonly entityType: string;
  readonly entityId: string;
}

/** One thing that somebody does with the app: usually one event, in the order in which they happened. */
export type Deed = (author: Author) => readonly SentEvent[];

/**
 * What a careful edit was made on: the device's own edit before, else the record that it last pulled.
 */
export function basedOn(author: Author, { entityType, entityId }: Entity) {
  const baseKey = author.random.chance(0.6) ? author.lastKey(entityType, entityId) : undefined;
  if (baseKey !== undefined) return { baseKey };
  return { baseVersion: author.find(entityType, entityId)?.version ?? 0 };
}
