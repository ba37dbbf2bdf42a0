import fc from 'fast-check';
import type { SentEvent } from './sent-events.ts';
import type { AcceptedWrite, WriteAction } from '../oracle/last-write-wins.ts';

/**
 * Options for fast-check. The environment variable SEED repeats a run that failed, whose message contains the seed.
 * RUNS sets the number of runs.
 */
export function propertyOptions(defaultRuns: number) {
  const { SEED: seed, RUNS: numRuns } = process.env;
  return {
    numRuns: numRuns ? Number(numRuns) : defaultRuns,
    ...(seed && { seed: Number(seed) }),
    // Bounds the shrinking, in which every step runs against the database.
    interruptAfterTimeLimit: 100_000,
  };
}

/** A write by a user, without its time and its delivery. */
export interface RandomWrite {
  readonly identityKey: string;
  readonly entityId: string;
  readonly action: WriteAction;
}

// Few values, so that writes collide. The order of these keys differs in UTF-8, in UTF-16 and in a dictionary.
const keyArbitrary = fc.string({
  unit: fc.constantFrom('a', 'B', '\u{FF5E}', '\u{1F600}'),
  minLength: 1,
  maxLength: 2,
});
const entityArbitrary = fc.constantFrom('e1', 'constructor');
const fieldsArbitrary = (minKeys: number) =>
  fc.dictionary(
    fc.constantFrom('a', 'b', 'valueOf'),
    fc.constantFrom<string | number | null>(0, 1, 'x', null),
    { minKeys, maxKeys: 3, noNullPrototype: true },
  );
const actionArbitrary: fc.Arbitrary<WriteAction> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ policy: fc.constant('put'), fields: fieldsArbitrary(0) }) },
  { weight: 4, arbitrary: fc.record({ policy: fc.constant('patch'), fields: fieldsArbitrary(1) }) },
  { weight: 2, arbitrary: fc.record({ policy: fc.constant('remove') }) },
);

/** Writes with different keys. @param more further fields of each write */
export function randomWrites<More extends object>(
  more: { [Name in keyof More]: fc.Arbitrary<More[Name]> },
  maxLength: number,
): fc.Arbitrary<(RandomWrite & More)[]> {
  const write = fc.record({
    identityKey: keyArbitrary,
    entityId: entityArbitrary,
    action: actionArbitrary,
    ...more,
  });
  return fc.uniqueArray(write as fc.Arbitrary<RandomWrite & More>, {
    selector: ({ identityKey }) => identityKey,
    minLength: 1,
    maxLength,
  });
}

export function toEvent(
  { identityKey, entityId, action }: RandomWrite,
  occurredAt?: number,
): SentEvent {
  const fields = action.policy === 'remove' ? {} : { fields: action.fields };
  return {
    identityKey,
    kind: `doc.${action.policy}`,
    payload: { id: entityId, ...fields },
    ...(occurredAt !== undefined && { occurredAt: new Date(occurredAt).toISOString() }),
  };
}

/** @param effectiveAt microseconds since 1970 */
export function toAcceptedWrite(
  { identityKey, entityId, action }: RandomWrite,
  effectiveAt: number,
): AcceptedWrite {
  return { ...action, identityKey, entityId, effectiveAt };
}

/** The writes that the service accepts in the end: all but patches of entities that no write puts. */
export function acceptedOf<Some extends RandomWrite>(writes: readonly Some[]): Some[] {
  const existing = new Set(
    writes.filter(({ action }) => action.policy === 'put').map(({ entityId }) => entityId),
  );
  return writes.filter(
    ({ action, entityId }) => action.policy !== 'patch' || existing.has(entityId),
  );
}
