import { type EventFailure, RequestProblem } from '../domain/errors.ts';
import type { KindRegistry } from '../domain/kinds/registry.ts';
import type { ResolutionRequest } from '../protocol/conflict.ts';
import { findUnstorable } from '../domain/json-value.ts';
import { sha256 } from '../domain/sha-256.ts';
import { canonicalJson } from '../domain/canonical-json.ts';
import { type DecodedEvent, reservedKeyPrefix } from '../domain/decide/decode-event.ts';
import { interpretStored, type StoredPayload } from './stored-interpretation.ts';

/** The event that met a conflict, from the log. */
export interface ConflictedEvent extends StoredPayload {
  readonly version: number;
  readonly sequence: number | null;
}

/**
 * Checks what a merge brings, as far as that needs no kind.
 *
 * @throws RequestProblem INVALID_ENVELOPE
 */
export function assertMergedPayload(request: ResolutionRequest, maxEventBytes: number): void {
  if (request.resolution !== 'merge') return;
  const unstorable = findUnstorable(request.payload, 'payload');
  if (unstorable) throw invalidPayload(unstorable);
  if (Buffer.byteLength(canonicalJson({ payload: request.payload })) > maxEventBytes) {
    throw invalidPayload({ message: `is larger than ${maxEventBytes} bytes` });
  }
}

/** Equal for requests that ask for the same resolution of the same conflict. */
export function fingerprintOf(
  { version }: Pick<ConflictedEvent, 'version'>,
  request: ResolutionRequest,
): Buffer {
  const canonical = canonicalJson({ conflict: version, ...request });
  return sha256(canonical);
}

/**
 * The event of the log that settles a conflict. There is one key for each conflict, so that of many
 * requests at once one is stored, and the same one again is a duplicate.
 *
 * @throws RequestProblem INVALID_ENVELOPE, or RESOLUTION_REFUSED with what the kind threw as cause
 */
export function toResolutionEvent(
  conflict: ConflictedEvent,
  request: ResolutionRequest,
  kinds: KindRegistry,
): DecodedEvent {
  const { version, kind, entityType, entityId } = conflict;
  return {
    identityKey: `${reservedKeyPrefix}resolution:${version}`,
    fingerprint: fingerprintOf(conflict, request),
    kind,
    entityType,
    entityId,
    // It happens now, on the record as it stands.
    occurredAt: null,
    baseVersion: null,
    baseKey: null,
    resolves: { version, resolution: request.resolution },
    resolve: undefined,
    ...(request.resolution === 'discard' ? discarded(conflict) : applied(conflict, request, kinds)),
  };
}

type Content = Pick<DecodedEvent, 'kindVersion' | 'sequence' | 'payload' | 'definition' | 'intent'>;

/** Needs nothing of the kind, so that a conflict of one that is gone can be closed. */
function discarded({ kind, kindVersion }: ConflictedEvent): Content {
  return {
    kindVersion,
    // The number that the edit would have taken is free for another.
    sequence: null,
    payload: 'null',
    definition: { name: kind, ordered: false, failures: {} },
    intent: { policy: 'discard' },
  };
}

function applied(
  conflict: ConflictedEvent,
  request: Exclude<ResolutionRequest, { resolution: 'discard' }>,
  kinds: KindRegistry,
): Content {
  const newest = kinds.find(conflict.kind)?.newestVersion ?? conflict.kindVersion;
  const content =
    request.resolution === 'merge'
      ? { kindVersion: newest, payload: request.payload }
      : { kindVersion: conflict.kindVersion, payload: conflict.payload };
  const read = interpretStored({ ...conflict, ...content }, kinds);
  if (!read.ok) {
    const isOfRequest = request.resolution === 'merge' && read.failure.code === 'INVALID_PAYLOAD';
    throw isOfRequest ? invalidPayload(read.failure) : toRequestProblem(read.failure, read.fault);
  }
  return {
    kindVersion: content.kindVersion,
    sequence: conflict.sequence,
    payload: JSON.stringify(content.payload),
    definition: read.kind,
    intent: read.meaning.intent,
  };
}

/** The event cannot be applied; the conflict stays open. */
export function toRequestProblem({ code, message }: EventFailure, fault?: unknown): RequestProblem {
  return new RequestProblem('RESOLUTION_REFUSED', message, { failure: code }, fault);
}

function invalidPayload({ message, path = 'payload' }: Partial<EventFailure>): RequestProblem {
  return new RequestProblem('INVALID_ENVELOPE', message, { path });
}
