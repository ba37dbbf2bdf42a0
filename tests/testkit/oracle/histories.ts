import fc from 'fast-check';
import type { SentEvent } from './events.ts';
import type { Accepted, Action } from './last-write-wins.ts';

/** SEED repeats a run that failed (its message says which), RUNS makes it longer. */
export function runs(usual: number) {
  const { SEED: seed, RUNS: numRuns } = process.env;
  return {
    numRuns: numRuns ? Number(numRuns) : usual,
    ...(seed && { seed: Number(seed) }),
    // For shrinking, where each step is a history of its own on the database.
    interruptAfterTimeLimit: 100_000,
  };
}

/** What a user did, before any clock or network comes into it. */
export interface Deed {
  readonly identityKey: string;
  readonly entityId: string;
  readonly action: Action;
}

// Few of each, so that they collide; keys whose order in UTF-8, in UTF-16 and in a dictionary differs.
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
const actionArbitrary: fc.Arbitrary<Action> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ policy: fc.constant('put'), fields: fieldsArbitrary(0) }) },
  { weight: 4, arbitrary: fc.record({ policy: fc.constant('patch'), fields: fieldsArbitrary(1) }) },
  { weight: 2, arbitrary: fc.record({ policy: fc.constant('remove') }) },
);

/** Deeds under different keys. */
export function deedsArbitrary<More extends object>(
  more: { [Name in keyof More]: fc.Arbitrary<More[Name]> },
  maxLength: number,
): fc.Arbitrary<(Deed & More)[]> {
  const deed = fc.record({
    identityKey: keyArbitrary,
    entityId: entityArbitrary,
    action: actionArbitrary,
    ...more,
  });
  return fc.uniqueArray(deed as fc.Arbitrary<Deed & More>, {
    selector: ({ identityKey }) => identityKey,
    minLength: 1,
    maxLength,
  });
}

export function toEvent({ identityKey, entityId, action }: Deed, occurredAt?: number): SentEvent {
  const fields = action.policy === 'remove' ? {} : { fields: action.fields };
  return {
    identityKey,
    kind: `doc.${action.policy}`,
    payload: { id: entityId, ...fields },
    ...(occurredAt !== undefined && { occurredAt: new Date(occurredAt).toISOString() }),
  };
}

/** @param effectiveAt microseconds since 1970 */
export function toAccepted({ identityKey, entityId, action }: Deed, effectiveAt: number): Accepted {
  return { ...action, identityKey, entityId, effectiveAt };
}

/** What is accepted in the end: all but the patches of what nobody ever put. */
export function acceptable<Some extends Deed>(deeds: readonly Some[]): Some[] {
  const put = new Set(
    deeds.filter(({ action }) => action.policy === 'put').map(({ entityId }) => entityId),
  );
  return deeds.filter(({ action, entityId }) => action.policy !== 'patch' || put.has(entityId));
}
