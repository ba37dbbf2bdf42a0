import { sha256 } from '../domain/fingerprint.ts';

/** An error that a kind's code threw on one event. */
export interface KindError {
  /** The name of the kind, and the version of the payload. */
  readonly kind: string;
  readonly kindVersion: number;
  readonly identityKey: string | null;
  /** What the kind's code threw. */
  readonly fault: unknown;
}

const maxKinds = 20;

/**
 * The fields of one log line for all errors of a request, because a batch can fail 500 times for the same
 * reason. The line has no client data.
 */
export function toKindErrorFields(errors: readonly [KindError, ...KindError[]]) {
  const [first] = errors;
  const byKind = Map.groupBy(errors, ({ kind }) => kind);
  const counts = [...byKind].slice(0, maxKinds).map(([kind, ofKind]) => [kind, ofKind.length]);
  return {
    event: 'kind.failed',
    kinds: Object.fromEntries(counts),
    kind: first.kind,
    kindVersion: first.kindVersion,
    ...(first.identityKey !== null && { keyHash: hashOf(first.identityKey) }),
    fault: first.fault,
  };
}

/** Identifies the event in the table of events, if it is stored, and in a client's outbox. */
function hashOf(identityKey: string): string {
  return sha256(identityKey).toString('hex').slice(0, 16);
}
