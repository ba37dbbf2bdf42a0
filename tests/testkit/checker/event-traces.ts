import type { EventResult } from '../../../src/protocol/push.ts';
import type { SentEvent } from '../events/sent-events.ts';
import type { Device } from './device.ts';
import type { History, PushRequest } from './history.ts';
import type { StoredEventRow, StoredState } from './stored-state.ts';

/** One event of one request, with its result. */
export interface Attempt {
  readonly request: PushRequest;
  readonly event: SentEvent;
  /** Undefined where the request was not answered, or where a restore made the result void. */
  readonly result: EventResult | undefined;
}

/** All attempts to send an event, and all rows of the log with its identityKey. */
export interface EventTrace {
  readonly identityKey: string;
  readonly attempts: readonly Attempt[];
  readonly stored: readonly StoredEventRow[];
}

/** What the checks compare. */
export interface CheckData {
  readonly history: History;
  readonly stored: StoredState;
  /** By identityKey. First the sent events in the order of their first attempts, then those only in the log. */
  readonly traces: ReadonlyMap<string, EventTrace>;
  readonly devices: readonly Device[];
}

export function collectCheckData(
  stored: StoredState,
  history: History,
  devices: readonly Device[] = [],
): CheckData {
  const attempts = Map.groupBy(
    history.requests.flatMap((request) => attemptsOf(request, history)),
    ({ event }) => event.identityKey,
  );
  const rows = Map.groupBy(stored.log, ({ identityKey }) => identityKey);
  const keys = new Set([...attempts.keys(), ...rows.keys()]);
  const traces = new Map(
    [...keys].map((identityKey): [string, EventTrace] => [
      identityKey,
      {
        identityKey,
        attempts: attempts.get(identityKey) ?? [],
        stored: rows.get(identityKey) ?? [],
      },
    ]),
  );
  return { history, stored, traces, devices };
}

function attemptsOf(request: PushRequest, history: History): Attempt[] {
  const results = request.answer?.results;
  return request.events.map((event, index) => {
    const result = results?.[index];
    const holds = history.stillHolds(request, result?.version);
    return { request, event, result: holds ? result : undefined };
  });
}

/** What an answer says of the stored event. */
export interface AcknowledgedResult {
  readonly outcome: string;
  readonly version: number | undefined;
}

/** Undefined where the answer does not say that the event is stored. */
export function acknowledgementOf({ request, result }: Attempt): AcknowledgedResult | undefined {
  if (!result) return undefined;
  const { status, original, version, code } = result;
  if (status !== 'failed') return { outcome: original ?? status, version };
  // The service stores a conflict for a person to resolve, unless it dropped the whole batch.
  return code === 'CONFLICT' && !request.atomic ? { outcome: 'conflict', version } : undefined;
}
