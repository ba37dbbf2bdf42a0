import { createSecretKey } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  type FieldMapping,
  plainFieldMapping,
  printPushAnswer,
} from '../../src/protocol/push-answer.ts';
import { createCheckpointCodec, eventDigest } from '../../src/protocol/checkpoint.ts';
import { type PushAnswer, pushAnswerSchema } from '../../src/protocol/push.ts';
import {
  type BatchDecision,
  countOutcomes,
  type EventOutcome,
} from '../../src/domain/decide/batch.ts';
import { envelopeOf, type KnownEvent, type StoredOutcome } from '../../src/domain/event.ts';
import { toPushAnswer } from '../../src/protocol/push-answer.ts';
import type { RecordState } from '../../src/domain/record.ts';

const codec = createCheckpointCodec(createSecretKey(Buffer.alloc(32, 7)));
const receivedAt = Date.UTC(2026, 10, 21, 10, 0, 5, 120) * 1000;
const reference = { keyHash: '01'.repeat(16), receivedAt };
const epoch = '0199f3a0-1111-4222-8333-abcdefabcdef';

const known = (identityKey: string, version: number, outcome: StoredOutcome): KnownEvent => ({
  identityKey,
  version,
  outcome,
  fingerprint: null,
  kind: 'note.put',
  kindVersion: 1,
  ...envelopeOf({}),
  payload: '{"noteId":"n1","title":"Mine"}',
  entityType: 'note',
  entityId: 'n1',
  previous: undefined,
});

const winner: RecordState = {
  entityType: 'note',
  entityId: 'n1',
  version: 40,
  deleted: false,
  data: '{"title":"Won"}',
  dataVersion: 1,
  originKey: 'other-1',
  originKind: 'note.put',
  originDevice: null,
  originAt: receivedAt - 1_000_000,
  createdAt: receivedAt - 2_000_000,
  updatedAt: receivedAt - 1_000_000,
  clock: { put: [receivedAt, 'other-1'] },
  sequence: 5,
  lastEvent: 40,
};
const shownWinner = {
  entityType: 'note',
  entityId: 'n1',
  version: 40,
  deleted: false,
  data: { title: 'Won' },
  createdAt: '2026-11-21T10:00:03.120Z',
  updatedAt: '2026-11-21T10:00:04.120Z',
  origin: {
    identityKey: 'other-1',
    kind: 'note.put',
    deviceId: null,
    effectiveAt: '2026-11-21T10:00:04.120Z',
  },
};

const done = (
  status: 'applied' | 'noop' | 'superseded',
  identityKey: string,
  version: number,
  clockAdjusted = false,
): EventOutcome => ({
  identityKey,
  status,
  event: known(identityKey, version, status),
  clockAdjusted,
});
const again = (identityKey: string, outcome: StoredOutcome): EventOutcome => ({
  identityKey,
  status: 'duplicate',
  event: known(identityKey, 7, outcome),
  clockAdjusted: false,
});

const outcomes: readonly EventOutcome[] = [
  done('applied', 'k0', 42),
  {
    identityKey: null,
    status: 'failed',
    failure: { code: 'INVALID_EVENT', message: 'is missing', path: 'identityKey' },
  },
  { ...done('superseded', 'k2', 43), current: winner },
  { identityKey: 'k3', status: 'failed', failure: { code: 'NOT_FOUND', message: 'not yet' } },
  again('k4', 'noop'),
  {
    identityKey: 'k5',
    status: 'failed',
    failure: { code: 'CONFLICT', message: 'changed' },
    current: winner,
    differingFields: { fields: ['title'], omitted: 3 },
  },
  {
    identityKey: 'k6',
    status: 'failed',
    failure: { code: 'CONFLICT', message: 'gone' },
    current: null,
  },
  done('noop', 'k0', 44, true),
];

const decisionOf = (some: readonly EventOutcome[]): BatchDecision => ({
  outcomes: some,
  position: { version: 41, reference },
  epoch,
  receivedAt,
});
const asSent = (
  answer: ReturnType<typeof toPushAnswer>,
  maxBytes = Number.POSITIVE_INFINITY,
): PushAnswer => JSON.parse(printPushAnswer(answer, maxBytes).toString());
const answerTo = (some: readonly EventOutcome[], includeResults = false) =>
  asSent(toPushAnswer(decisionOf(some), 'empire7', codec, { includeResults, mayRead: true }));

describe('the answer to a batch', () => {
  test('contains every event in exactly one of two lists, in request order', () => {
    const { processed, failed } = answerTo(outcomes);
    expect(processed).toEqual(['k0', 'k2', 'k4', 'k0']);
    expect(failed.map(({ identityKey }) => identityKey)).toEqual([null, 'k3', 'k5', 'k6']);
    expect(processed.length + failed.length).toBe(outcomes.length);
  });

  test('is a success if the batch was decided, even if all events failed', () => {
    const failed = outcomes.filter(({ status }) => status === 'failed');
    expect(answerTo(failed)).toMatchObject({ success: true, processed: [] });
  });

  test('contains the properties of a failed event from the table and from the failure', () => {
    expect(answerTo(outcomes).failed.slice(0, 2)).toEqual([
      {
        identityKey: null,
        index: 1,
        code: 'INVALID_EVENT',
        message: 'is missing',
        retryable: false,
        path: 'identityKey',
      },
      {
        identityKey: 'k3',
        code: 'NOT_FOUND',
        message: 'not yet',
        retryable: true,
        retryAfterMs: 30_000,
      },
    ]);
  });

  test('contains for a conflict the record that won and the differing fields, or null if the record is gone', () => {
    const { failed } = answerTo(outcomes);
    expect(failed[2]).toMatchObject({
      ...{ code: 'CONFLICT', current: shownWinner },
      ...{ differingFields: ['title'], differingFieldsOmitted: 3 },
    });
    expect(failed[3]).toMatchObject({ code: 'CONFLICT', current: null });
    expect(failed[1]).not.toHaveProperty('current');
  });

  test('has a checkpoint just before its effects, for the tenant, unfiltered', () => {
    const { checkpoint } = answerTo(outcomes);
    expect(codec.decode(checkpoint, 'empire7')).toEqual({
      ...{ version: 41, entityTypes: [], bootstrap: null },
      ...{ epoch, digest: eventDigest(reference) },
    });
  });

  test('contains the time of receipt by the database’s clock', () => {
    expect(answerTo(outcomes).receivedAt).toBe('2026-11-21T10:00:05.120Z');
  });

  test.each([true, false])('matches its schema, with results: %s', (includeResults) => {
    const answer = answerTo(outcomes, includeResults);
    expect(pushAnswerSchema.parse(answer)).toEqual(answer);
    expect('results' in answer).toBe(includeResults);
  });
});

describe('results', () => {
  test('are one per event, in request order, with the status of the event', () => {
    expect(answerTo(outcomes, true).results).toEqual([
      { identityKey: 'k0', status: 'applied', version: 42 },
      { identityKey: null, index: 1, status: 'failed', code: 'INVALID_EVENT' },
      { identityKey: 'k2', status: 'superseded', version: 43, current: shownWinner },
      { identityKey: 'k3', status: 'failed', code: 'NOT_FOUND' },
      { identityKey: 'k4', status: 'duplicate', version: 7, original: 'noop' },
      { identityKey: 'k5', status: 'failed', code: 'CONFLICT', current: shownWinner },
      { identityKey: 'k6', status: 'failed', code: 'CONFLICT', current: null },
      { identityKey: 'k0', status: 'noop', version: 44, clockAdjusted: true },
    ]);
  });
});

describe('a client of a dialect', () => {
  const mapping: FieldMapping = {
    alias: { clientRequestId: 'r' },
    pathOf: (path) => `its own ${path}`,
  };
  const fieldMappings = outcomes.map((_outcome, index) =>
    index === 1 ? mapping : plainFieldMapping,
  );

  test('is answered in the words of its dialect, event by event', () => {
    const { failed, results } = toPushAnswer(decisionOf(outcomes), 'empire7', codec, {
      includeResults: true,
      mayRead: true,
      fieldMappings,
    });
    const named = { identityKey: null, clientRequestId: 'r', index: 1 };
    expect(failed[0]).toMatchObject({ ...named, path: 'its own identityKey' });
    expect(results?.[1]).toEqual({ ...named, status: 'failed', code: 'INVALID_EVENT' });
    for (const entry of [...failed.slice(1), ...(results?.slice(2) ?? [])]) {
      expect(entry).not.toHaveProperty('clientRequestId');
    }
  });
});

describe('a sender without permission to read', () => {
  test('gets no record, and no field of a record', () => {
    const options = { includeResults: true, mayRead: false };
    const answer = asSent(toPushAnswer(decisionOf(outcomes), 'empire7', codec, options));
    const withRecords = answerTo(outcomes, true);
    const bare = (entries: readonly object[] = []) =>
      entries.map((entry) =>
        Object.fromEntries(
          Object.entries(entry).filter(
            ([name]) => !/^(current|differingFields(Omitted)?)$/.test(name),
          ),
        ),
      );
    expect(answer.failed).toEqual(bare(withRecords.failed));
    expect(answer.results).toEqual(bare(withRecords.results));
  });
});

test('messages and paths that a kind composed are shortened', () => {
  const failure = {
    code: 'NOT_OWNER',
    message: 'm'.repeat(9_000),
    path: 'p'.repeat(9_000),
  } as const;
  const [failed] = answerTo([{ identityKey: 'k', status: 'failed', failure }]).failed;
  expect(failed?.message).toHaveLength(501);
  expect(failed?.path).toHaveLength(501);
});

describe('the counts in the log', () => {
  test('are by status, and for failures by code', () => {
    expect(countOutcomes(outcomes)).toEqual({
      received: 8,
      applied: 1,
      noop: 1,
      superseded: 1,
      duplicate: 1,
      failed: { INVALID_EVENT: 1, NOT_FOUND: 1, CONFLICT: 2 },
    });
  });

  test('are right for a code that is the name of an inherited property', () => {
    const failure = { code: 'constructor', message: 'm', retryable: false };
    const outcome = { identityKey: 'k', status: 'failed', failure } as const;
    expect(countOutcomes([outcome, outcome]).failed).toEqual({ constructor: 2 });
  });

  test('of no outcomes are zero', () => {
    const none = { received: 0, applied: 0, noop: 0, superseded: 0, duplicate: 0, failed: {} };
    expect(countOutcomes([])).toEqual(none);
  });
});
