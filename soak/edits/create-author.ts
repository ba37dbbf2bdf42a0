import type { SentEvent } from '../../tests/testkit/oracle/events.ts';
import type { Random } from '../random.ts';
import type { Author, Entity, KnownRecord } from './author.ts';

export interface AuthorOptions {
  readonly device: string;
  readonly random: Random;
  /** What the device's clock shows, in milliseconds since 1970. */
  readonly now: () => number;
  readonly find: (entityType: string, entityId: string) => KnownRecord | undefined;
}

export interface ForgetfulAuthor extends Author {
  /** The event failed for good: nothing may be made on it. */
  forget(identityKey: string): void;
}

const minuteMs = 60_000;

export function createAuthor({ device, random, now, find }: AuthorOptions): ForgetfulAuthor {
  const newest = new Map<string, string>();
  const entities = new Map<string, string>();
  const nameOf = ({ entityType, entityId }: Entity) => `${entityType} ${entityId}`;
  let made = 0;

  function age(): number {
    if (random.chance(0.05)) return -random.int(1, 60) * minuteMs;
    return random.chance(0.1) ? random.int(1, 180) * minuteMs : random.int(0, 5_000);
  }

  return {
    device,
    random,
    find,
    lastKey: (entityType, entityId) => newest.get(nameOf({ entityType, entityId })),
    write(entity, kind, payload, rest = {}): SentEvent {
      made += 1;
      const identityKey = `${device}-${made}`;
      const name = nameOf(entity);
      newest.set(name, identityKey);
      entities.set(identityKey, name);
      return { identityKey, kind, payload, ...rest };
    },
    when: () => (random.chance(0.2) ? {} : { occurredAt: new Date(now() - age()).toISOString() }),
    forget(identityKey) {
      const name = entities.get(identityKey);
      if (name !== undefined && newest.get(name) === identityKey) newest.delete(name);
    },
  };
}
