import { reservedKeyPrefix } from '../../../src/domain/decide/decode-event.ts';
import type { SentEvent } from '../oracle/events.ts';
import { textOf } from '../oracle/bundled/write.ts';
import { type Evidence, promiseOf, type Story } from './evidence.ts';
import type { Problem } from './report.ts';
import type { StoredEvent } from './stored.ts';

/** Versions 1 to head without gap, and every record made by the event that it names. */
export function checkVersions({ stored: { head, log, records } }: Evidence): Problem[] {
  const problems: Problem[] = [];
  let expected = 1;
  for (const { version, identityKey } of log) {
    if (version > expected) {
      const missing = version - 1 > expected ? `${expected} to ${version - 1}` : `${expected}`;
      problems.push({ kind: 'gap', identityKey, message: `version ${missing} is missing` });
    }
    if (version < expected) {
      const message = `version ${version} stands in the log more than once`;
      problems.push({ kind: 'gap', identityKey, message });
    }
    expected = version + 1;
  }
  if (head !== expected - 1) {
    const message = `the head is ${head}, and the log ends at version ${expected - 1}`;
    problems.push({ kind: 'gap', message });
  }
  const keys = new Map(log.map(({ version, identityKey }) => [version, identityKey]));
  for (const { version, originKey, ...entity } of records) {
    if (keys.get(version) === originKey) continue;
    const by = keys.get(version) ?? 'no event';
    const message = `names ${originKey} as what made its version ${version}, which is ${by}`;
    problems.push({ kind: 'record', entity, identityKey: originKey, message });
  }
  return problems;
}

/** Each key stands once, and was new once. */
export function checkOnce({ stories }: Evidence): Problem[] {
  return [...stories.values()].flatMap((story) =>
    doneTwice(story).map((problem) => ({ identityKey: story.identityKey, ...problem })),
  );
}

/** Every answer holds, and nothing stands that nobody asked for. */
export function checkAnswers({ stories }: Evidence): Problem[] {
  return [...stories.values()].flatMap((story) => {
    const { identityKey } = story;
    const problems = [...brokenPromises(story), ...unasked(story)];
    // A promise that was made with every retry is broken once.
    const messages = new Map(problems.map((problem) => [problem.message, problem]));
    return [...messages.values()].map((problem) => ({ identityKey, ...problem }));
  });
}

function brokenPromises({ attempts, stored, identityKey }: Story): Problem[] {
  const row = stored[0];
  return attempts.flatMap((attempt): Problem[] => {
    const { answer } = attempt.request;
    const status = attempt.result?.status;
    const isListed = answer?.processed.includes(identityKey);
    if (status && status !== 'failed' && !isListed) {
      return [{ kind: 'changed', message: `answered ${status}, and not as processed` }];
    }
    const promise = promiseOf(attempt);
    if (!promise) return [];
    const { outcome, version = row?.version } = promise;
    // A conflict is told without its version.
    const at = promise.version === undefined ? '' : ` at version ${promise.version}`;
    const answered = `answered ${outcome}${at}`;
    if (!row) return [{ kind: 'lost', message: `${answered}, and is not stored` }];
    const told = row.outcome === 'merged' ? 'applied' : row.outcome;
    if (row.version === version && told === outcome) return [];
    const message = `${answered}, and is stored as ${row.outcome} at version ${row.version}`;
    return [{ kind: 'changed', message }];
  });
}

function doneTwice({ attempts, stored }: Story): Problem[] {
  const firsts = attempts.filter(
    ({ result }) => result && ['applied', 'noop', 'superseded'].includes(result.status),
  );
  const versions = stored.map(({ version }) => version).join(' and ');
  return [
    ...(stored.length > 1
      ? [{ kind: 'twice' as const, message: `stands in the log at version ${versions}` }]
      : []),
    ...(firsts.length > 1
      ? [{ kind: 'twice' as const, message: `was answered as new ${firsts.length} times` }]
      : []),
  ];
}

function unasked({ attempts, stored, identityKey }: Story): Problem[] {
  const row = stored[0];
  if (!row || identityKey.startsWith(reservedKeyPrefix)) return [];
  if (attempts.length === 0) return [{ kind: 'unasked', message: 'is stored, and nobody sent it' }];
  const mayBeStored = attempts.some(
    (attempt) =>
      attempt.request.outcome === 'unknown' ||
      (attempt.request.outcome === 'ok' && (!attempt.result || promiseOf(attempt))),
  );
  // A duplicate says that another request stored it: not one that was refused.
  const onlyRefused =
    attempts.some(({ request }) => request.outcome === 'fail') &&
    attempts.every(({ request, result }) =>
      result ? result.status === 'duplicate' : request.outcome === 'fail',
    );
  if (!mayBeStored || onlyRefused) {
    return [{ kind: 'unasked', message: 'is stored, and was refused whenever it was sent' }];
  }
  if (attempts.some(({ event }) => isSame(event, row))) return [];
  return [{ kind: 'changed', message: `is stored with another content: ${row.payload}` }];
}

function isSame(event: SentEvent, { kind, payload }: StoredEvent): boolean {
  if (event.kind !== kind) return false;
  return payload === null || textOf(event.payload) === textOf(JSON.parse(payload));
}

/** Of an atomic batch all is stored or nothing, whatever was answered. */
export function checkAtomic({ history, stories }: Evidence): Problem[] {
  const problems: Problem[] = [];
  const batches = Map.groupBy(
    history.requests.filter(({ atomic }) => atomic),
    ({ events }) => keysOf(events).join('\n'),
  );
  for (const [text, [request]] of batches) {
    const keys = keysOf(request?.events ?? []);
    const isIn = (key: string) => (stories.get(key)?.stored.length ?? 0) > 0;
    // An event that went in another batch too, or in this one as any other, may be stored by that.
    const own = keys.filter((key) =>
      stories
        .get(key)
        ?.attempts.every(
          ({ request: { atomic, events } }) => atomic && keysOf(events).join('\n') === text,
        ),
    );
    const [there, missing] = [own.filter(isIn), own.filter((key) => !isIn(key))];
    if (there.length === 0 || missing.length === 0) continue;
    const message = `of an atomic batch ${there.length} are stored, and ${missing.length} are not: ${missing.join(', ')}`;
    problems.push({ kind: 'half', identityKey: there[0] ?? '', message });
  }
  return problems;
}

const keysOf = (events: readonly SentEvent[]) => events.map(({ identityKey }) => identityKey);
