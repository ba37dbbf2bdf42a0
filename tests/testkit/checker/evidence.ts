import type { EventResult } from '../../../src/protocol/push.ts';
import type { SentEvent } from '../oracle/events.ts';
import type { Device } from './device.ts';
import type { History, PushRequest } from './history.ts';
import type { Stored, StoredEvent } from './stored.ts';

/** One event of a request, and what it was answered. */
export interface Attempt {
  readonly request: PushRequest;
  readonly event: SentEvent;
  /** Undefined where the request was not answered, or the answer does not bind any more. */
  readonly result: EventResult | undefined;
}

/** All that is known of one key, by those who sent it and by the database. */
export interface Story {
  readonly identityKey: string;
  readonly attempts: readonly Attempt[];
  readonly stored: readonly StoredEvent[];
}

export interface Evidence {
  readonly history: History;
  readonly stored: Stored;
  /** By key, in the order in which they were first sent; then those that nobody sent. */
  readonly stories: ReadonlyMap<string, Story>;
  readonly devices: readonly Device[];
}

export function gather(
  stored: Stored,
  history: History,
  devices: readonly Device[] = [],
): Evidence {
  const attempts = Map.groupBy(
    history.requests.flatMap((request) => attemptsOf(request, history)),
    ({ event }) => event.identityKey,
  );
  const rows = Map.groupBy(stored.log, ({ identityKey }) => identityKey);
  const keys = new Set([...attempts.keys(), ...rows.keys()]);
  const stories = [...keys].map((identityKey) => ({
    identityKey,
    attempts: attempts.get(identityKey) ?? [],
    stored: rows.get(identityKey) ?? [],
  }));
  const byKey = new Map(stories.map((story) => [story.identityKey, story]));
  return { history, stored, stories: byKey, devices };
}

function attemptsOf(request: PushRequest, history: History): Attempt[] {
  const results = request.answer?.results;
  return request.events.map((event, at) => {
    const result = results?.[at];
    return { request, event, result: history.binds(request, result?.version) ? result : undefined };
  });
}

/** How the event stands in the log, as the service said; undefined where it did not say that it does. */
export interface Promised {
  readonly outcome: string;
  readonly version: number | undefined;
}

export function promiseOf({ request, result }: Attempt): Promised | undefined {
  if (!result) return undefined;
  const { status, original, version, code } = result;
  if (status !== 'failed') return { outcome: original ?? status, version };
  // Kept for a person to find, but where the whole batch was dropped.
  return code === 'CONFLICT' && !request.atomic ? { outcome: 'conflict', version } : undefined;
}
