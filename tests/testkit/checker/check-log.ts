import { reservedKeyPrefix } from '../../../src/domain/decide/decode-event.ts';
import type { SentEvent } from '../events/sent-events.ts';
import { sortedJson } from '../oracle/bundled/apply-write.ts';
import { acknowledgementOf, type CheckData, type EventTrace } from './event-traces.ts';
import type { Violation } from './report.ts';
import type { StoredEventRow } from './stored-state.ts';

/** The versions run from 1 to the head without a gap, and the event that each record names has its version. */
export function checkVersions({ stored: { head, log, records } }: CheckData): Violation[] {
  const violations: Violation[] = [];
  let expected = 1;
  for (const { version, identityKey } of log) {
    if (version > expected) {
      const missing = version - 1 > expected ? `${expected} to ${version - 1}` : `${expected}`;
      violations.push({ kind: 'gap', identityKey, message: `version ${missing} is missing` });
    }
    if (version < expected) {
      const message = `version ${version} stands in the log more than once`;
      violations.push({ kind: 'gap', identityKey, message });
    }
    expected = version + 1;
  }
  if (head !== expected - 1) {
    const message = `the head is ${head}, and the log ends at version ${expected - 1}`;
    violations.push({ kind: 'gap', message });
  }
  const keys = new Map(log.map(({ version, identityKey }) => [version, identityKey]));
  for (const { version, originKey, ...entity } of records) {
    if (keys.get(version) === originKey) continue;
    const writer = keys.get(version) ?? 'no event';
    const message = `names ${originKey} as what made its version ${version}, which is ${writer}`;
    violations.push({ kind: 'record', entity, identityKey: originKey, message });
  }
  return violations;
}

/** Each identityKey is in the log once, and one answer only says that the event is new. */
export function checkUniqueness({ traces }: CheckData): Violation[] {
  return [...traces.values()].flatMap((trace) =>
    duplicatesIn(trace).map((violation) => ({ identityKey: trace.identityKey, ...violation })),
  );
}

/** The log agrees with every answer, and contains no event that nobody sent or that was always refused. */
export function checkAnswers({ traces }: CheckData): Violation[] {
  return [...traces.values()].flatMap((trace) => {
    const { identityKey } = trace;
    const violations = [...brokenAcknowledgements(trace), ...unexpectedRows(trace)];
    // Every retry repeats the acknowledgement, and so the message.
    const byMessage = new Map(violations.map((violation) => [violation.message, violation]));
    return [...byMessage.values()].map((violation) => ({ identityKey, ...violation }));
  });
}

function brokenAcknowledgements({ attempts, stored, identityKey }: EventTrace): Violation[] {
  const row = stored[0];
  return attempts.flatMap((attempt): Violation[] => {
    const { answer } = attempt.request;
    const status = attempt.result?.status;
    const isListed = answer?.processed.includes(identityKey);
    if (status && status !== 'failed' && !isListed) {
      return [{ kind: 'changed', message: `answered ${status}, and not as processed` }];
    }
    const acknowledgement = acknowledgementOf(attempt);
    if (!acknowledgement) return [];
    // The answer to a conflict contains no version.
    const { outcome, version = row?.version } = acknowledgement;
    const at = acknowledgement.version === undefined ? '' : ` at version ${version}`;
    const answered = `answered ${outcome}${at}`;
    if (!row) return [{ kind: 'lost', message: `${answered}, and is not stored` }];
    const storedOutcome = row.outcome === 'merged' ? 'applied' : row.outcome;
    if (row.version === version && storedOutcome === outcome) return [];
    const message = `${answered}, and is stored as ${row.outcome} at version ${row.version}`;
    return [{ kind: 'changed', message }];
  });
}

function duplicatesIn({ attempts, stored }: EventTrace): Violation[] {
  const answeredAsNew = attempts.filter(
    ({ result }) => result && ['applied', 'noop', 'superseded'].includes(result.status),
  );
  const versions = stored.map(({ version }) => version).join(' and ');
  return [
    ...(stored.length > 1
      ? [{ kind: 'twice' as const, message: `stands in the log at version ${versions}` }]
      : []),
    ...(answeredAsNew.length > 1
      ? [{ kind: 'twice' as const, message: `was answered as new ${answeredAsNew.length} times` }]
      : []),
  ];
}

function unexpectedRows({ attempts, stored, identityKey }: EventTrace): Violation[] {
  const row = stored[0];
  if (!row || identityKey.startsWith(reservedKeyPrefix)) return [];
  if (attempts.length === 0) {
    return [{ kind: 'unexpected', message: 'is stored, and nobody sent it' }];
  }
  const mayBeStored = attempts.some(
    (attempt) =>
      attempt.request.outcome === 'unknown' ||
      (attempt.request.outcome === 'ok' && (!attempt.result || acknowledgementOf(attempt))),
  );
  // A duplicate means that another request stored the event. A refused request did not.
  const wasOnlyRefused =
    attempts.some(({ request }) => request.outcome === 'fail') &&
    attempts.every(({ request, result }) =>
      result ? result.status === 'duplicate' : request.outcome === 'fail',
    );
  if (!mayBeStored || wasOnlyRefused) {
    return [{ kind: 'unexpected', message: 'is stored, and was refused whenever it was sent' }];
  }
  if (attempts.some(({ event }) => hasContentOf(event, row))) return [];
  return [{ kind: 'changed', message: `is stored with another content: ${row.payload}` }];
}

/** A payload that retention has removed counts as the same. */
function hasContentOf(event: SentEvent, { kind, payload }: StoredEventRow): boolean {
  if (event.kind !== kind) return false;
  return payload === null || sortedJson(event.payload) === sortedJson(JSON.parse(payload));
}

/** Each atomic batch is stored completely or not at all, whatever its answer was. */
export function checkAtomic({ history, traces }: CheckData): Violation[] {
  const violations: Violation[] = [];
  const batches = Map.groupBy(
    history.requests.filter(({ atomic }) => atomic),
    ({ events }) => keysOf(events).join('\n'),
  );
  for (const [joinedKeys, [request]] of batches) {
    const isStored = (key: string) => (traces.get(key)?.stored.length ?? 0) > 0;
    // An event that was also sent in another batch, or in the same one without `atomic`, may come from there.
    const onlyHere = keysOf(request?.events ?? []).filter((key) =>
      traces
        .get(key)
        ?.attempts.every(
          ({ request: { atomic, events } }) => atomic && keysOf(events).join('\n') === joinedKeys,
        ),
    );
    const stored = onlyHere.filter(isStored);
    const missing = onlyHere.filter((key) => !isStored(key));
    if (stored.length === 0 || missing.length === 0) continue;
    const message = `of an atomic batch ${stored.length} are stored, and ${missing.length} are not: ${missing.join(', ')}`;
    violations.push({ kind: 'partial', identityKey: stored[0] ?? '', message });
  }
  return violations;
}

const keysOf = (events: readonly SentEvent[]) => events.map(({ identityKey }) => identityKey);
