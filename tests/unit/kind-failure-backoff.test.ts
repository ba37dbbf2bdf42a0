import { beforeEach, expect, test } from 'vitest';
import type { EventFailure } from '../../src/domain/errors.ts';
import type { DecodedEvent, DecodeResult } from '../../src/domain/decide/decode-event.ts';
import { KindFailureBackoff } from '../../src/ingest/kind-failure-backoff.ts';
import type { EventOutcome } from '../../src/domain/decide/batch.ts';

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

let now: number;
let failingKinds: KindFailureBackoff;
beforeEach(() => {
  now = 5_000 * hour;
  failingKinds = new KindFailureBackoff(() => now);
});

const failed = (failing: string, code = 'KIND_FAILED'): EventOutcome => {
  const failure = { code, message: 'm', failing } as EventFailure;
  return { identityKey: 'k', status: 'failed', failure };
};
const ofKind = (kind: string): DecodeResult => ({ ok: true, event: { kind } as DecodedEvent });
const well = (status: 'applied' | 'noop' | 'superseded' | 'duplicate', fault?: unknown) =>
  ({ identityKey: 'k', status, fault }) as EventOutcome;

/** How long each of the outcomes has to wait for the server, in seconds. */
function waits(outcomes: readonly EventOutcome[], events: readonly DecodeResult[] = []) {
  return failingKinds.addRetryDelays(events, outcomes).map((outcome) => {
    const failure = outcome.status === 'failed' ? outcome.failure : undefined;
    const waitMs = failure?.retryAfterMs;
    return waitMs === undefined ? undefined : waitMs / second;
  });
}

test('who waits for a kind waits as long as it has been failing, from half a minute to an hour', () => {
  const started = now;
  for (const [after, wait] of [
    [0, 30],
    [10 * second, 30],
    [45 * second, 45],
    [20 * minute, 20 * 60],
    [hour, 3600],
    [30 * 24 * hour, 3600],
  ] as const) {
    now = started + after;
    expect(waits([failed('note.put')])).toEqual([wait]);
  }
});

test('what waits behind an event waits as long as that event', () => {
  waits([failed('note.put')]);
  now += 5 * minute;
  expect(waits([failed('note.put'), failed('note.put', 'BLOCKED')])).toEqual([300, 300]);
});

test('each kind, and each version that is not known, has been failing for a time of its own', () => {
  waits([failed('note.put'), failed('task.put version 3')]);
  now += 5 * minute;
  const outcomes = [failed('note.put'), failed('task.put'), failed('task.put version 3')];
  expect(waits(outcomes)).toEqual([300, 30, 300]);
});

test.each(['applied', 'noop', 'superseded'] as const)(
  'an event of the kind that is %s ends it, and of another kind does not',
  (status) => {
    waits([failed('note.put')]);
    now += 5 * minute;
    waits([well(status)], [ofKind('task.put')]);
    expect(waits([failed('note.put')])).toEqual([300]);
    waits([well(status)], [ofKind('note.put')]);
    expect(waits([failed('note.put')])).toEqual([30]);
  },
);

test('an event that was decided before, or whose hook threw, does not end it', () => {
  waits([failed('note.put')]);
  now += 5 * minute;
  waits([well('duplicate')], [ofKind('note.put')]);
  waits([well('applied', new Error('a hook'))], [ofKind('note.put')]);
  expect(waits([failed('note.put')])).toEqual([300]);
});

test('a batch in which nothing waits for the server is told as it is', () => {
  const failure: EventFailure = { code: 'NOT_FOUND', message: 'm' };
  const outcomes: EventOutcome[] = [
    { identityKey: 'k', status: 'failed', failure },
    well('applied'),
  ];
  expect(failingKinds.addRetryDelays([ofKind('a'), ofKind('b')], outcomes)).toBe(outcomes);
});

test('kinds of any number are remembered only as far as there is room', () => {
  waits([failed('note.put')]);
  for (let count = 0; count < 2_000; count += 1) waits([failed(`kind-${count}`)]);
  now += 5 * minute;
  expect(waits([failed('note.put'), failed('kind-1999')])).toEqual([30, 300]);
});
