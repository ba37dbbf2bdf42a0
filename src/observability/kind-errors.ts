import { sha256 } from '../domain/sha-256.ts';

/** What a kind's own code threw on one event. */
export interface KindError {
  /** As it is registered, and the version of the payload. */
  readonly kind: string;
  readonly kindVersion: number;
  readonly identityKey: string | null;
  readonly fault: unknown;
}

const maxKinds = 20;

/**
 * One line for all that kinds threw in a request, without anything that a client wrote: a batch of edits
 * fails 500 times for the same reason.
 *
 * @param faults one or more
 */
export function toKindErrorFields(faults: readonly [KindError, ...KindError[]]) {
  const [first] = faults;
  const byKind = Map.groupBy(faults, ({ kind }) => kind);
  const counts = [...byKind].slice(0, maxKinds).map(([kind, all]) => [kind, all.length]);
  return {
    event: 'kind.failed',
    kinds: Object.fromEntries(counts),
    kind: first.kind,
    kindVersion: first.kindVersion,
    ...(first.identityKey !== null && { keyHash: hashOf(first.identityKey) }),
    fault: first.fault,
  };
}

/** By it the event is found in the log of events, where it is stored, and in a client's queue. */
function hashOf(identityKey: string): string {
  return sha256(identityKey).toString('hex').slice(0, 16);
}
