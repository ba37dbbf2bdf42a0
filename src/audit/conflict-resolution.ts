import { type EventFailure, RequestProblem } from '../domain/errors.ts';
import type { KindRegistry } from '../domain/kinds/registry.ts';
import { type Envelope, envelopeOf, fingerprintOf, hashKey } from '../domain/event.ts';
import { findUnstorable } from '../domain/json-value.ts';
import { canonicalJson } from '../domain/fingerprint.ts';
import { type Batch, type BatchDecision, createBatch } from '../domain/decide/batch.ts';
import { type DecodedEvent, reservedKeyPrefix } from '../domain/decide/decode-event.ts';
import type { ResolutionRequest } from '../protocol/conflict.ts';
import type { LoggedEvent, StoredConflict } from './audit-store.ts';
import { interpretStored, type StoredPayload } from './stored-interpretation.ts';

/** The person or client that resolves a conflict, from its token. */
export interface ConflictResolver {
  readonly tenantId: string;
  readonly deviceId: string | null;
  readonly subject: string | null;
  readonly scopes: readonly string[];
}

/** The stored event that was a conflict. */
export interface ConflictedEvent extends StoredPayload {
  readonly version: number;
  readonly sequence: number | null;
}

/**
 * Makes the batch that resolves a conflict.
 *
 * @returns undefined if an equal request has resolved the conflict already
 * @throws RequestProblem FORBIDDEN, ALREADY_RESOLVED, INVALID_ENVELOPE or RESOLUTION_REFUSED
 */
export function toResolutionBatch(
  { event, settled }: StoredConflict,
  request: ResolutionRequest,
  resolver: ConflictResolver,
  rules: { readonly kinds: KindRegistry; readonly maxEventBytes: number },
): Batch | undefined {
  assertScope(event, resolver, rules.kinds);
  assertMergedPayload(request, rules.maxEventBytes);
  if (settled) {
    // The first resolution stays valid, even if the kind would refuse it now.
    const fingerprint = fingerprintOf(resolutionContent(event, request));
    if (settled.event.fingerprint && fingerprint.equals(settled.event.fingerprint))
      return undefined;
    throw new RequestProblem('ALREADY_RESOLVED');
  }
  const { tenantId, deviceId, subject } = resolver;
  return createBatch({
    tenantId,
    deviceId,
    subject,
    sentAt: null,
    atomic: false,
    keepsConflicts: true,
    bringsRecords: false,
    events: [{ ok: true, event: toResolutionEvent(event, request, rules.kinds) }],
  });
}

/** @throws RequestProblem ALREADY_RESOLVED or RESOLUTION_REFUSED if the resolution was not accepted */
export function assertResolved({ outcomes: [outcome] }: BatchDecision): void {
  if (outcome?.status !== 'failed') return;
  // A concurrent request resolved the conflict first.
  if (outcome.failure.code === 'IDENTITY_KEY_REUSED') throw new RequestProblem('ALREADY_RESOLVED');
  throw toRequestProblem(outcome.failure, outcome.fault);
}

/**
 * Makes the event that resolves a conflict. Every resolution of a conflict has the same key. So only one of
 * several concurrent requests is stored, and an equal request is a duplicate.
 *
 * @throws RequestProblem INVALID_ENVELOPE; RESOLUTION_REFUSED, whose cause is what the kind threw
 */
export function toResolutionEvent(
  conflict: ConflictedEvent,
  request: ResolutionRequest,
  kinds: KindRegistry,
): DecodedEvent {
  const { version, kind, entityType, entityId } = conflict;
  const identityKey = `${reservedKeyPrefix}resolution:${version}`;
  const content = resolutionContent(conflict, request);
  return {
    identityKey,
    keyHash: hashKey(identityKey),
    fingerprint: fingerprintOf(content),
    kind,
    entityType,
    entityId,
    resolves: { version, resolution: request.resolution },
    resolve: undefined,
    ...(request.resolution === 'discard'
      ? discardContent(conflict)
      : applyContent(conflict, request, kinds)),
  };
}

/** Equal for requests with the same resolution of the same conflict. */
export function resolutionContent(
  { version }: Pick<ConflictedEvent, 'version'>,
  request: ResolutionRequest,
): object {
  return { conflict: version, ...request };
}

/** A token without the scope of a kind may not resolve conflicts of that kind. */
function assertScope(
  { kind }: LoggedEvent,
  { scopes }: ConflictResolver,
  kinds: KindRegistry,
): void {
  const scope = kinds.find(kind)?.scope;
  if (scope === undefined || scopes.includes(scope)) return;
  throw new RequestProblem('FORBIDDEN', `A conflict of ${kind} needs the scope ${scope}.`);
}

/** @throws RequestProblem INVALID_ENVELOPE for a merged payload that cannot be stored */
function assertMergedPayload(request: ResolutionRequest, maxEventBytes: number): void {
  if (request.resolution !== 'merge') return;
  const unstorable = findUnstorable(request.payload, 'payload');
  if (unstorable) throw invalidPayload(unstorable);
  if (Buffer.byteLength(canonicalJson({ payload: request.payload })) > maxEventBytes) {
    throw invalidPayload({ message: `is larger than ${maxEventBytes} bytes` });
  }
}

type Content = Pick<DecodedEvent, 'kindVersion' | 'envelope' | 'payload' | 'definition' | 'intent'>;

/** Does not need the kind, so a conflict can be discarded after its kind was removed. */
function discardContent({ kind, kindVersion }: ConflictedEvent): Content {
  return {
    kindVersion,
    // The sequence number of the discarded edit can be used by another event.
    envelope: resolutionEnvelope(null),
    payload: 'null',
    definition: { name: kind, ordered: false, failures: {} },
    intent: { policy: 'discard' },
  };
}

function applyContent(
  conflict: ConflictedEvent,
  request: Exclude<ResolutionRequest, { resolution: 'discard' }>,
  kinds: KindRegistry,
): Content {
  const newestVersion = kinds.find(conflict.kind)?.newestVersion ?? conflict.kindVersion;
  const content =
    request.resolution === 'merge'
      ? { kindVersion: newestVersion, payload: request.payload }
      : { kindVersion: conflict.kindVersion, payload: conflict.payload };
  const interpreted = interpretStored({ ...conflict, ...content }, kinds);
  if (!interpreted.ok) {
    const { failure, fault } = interpreted;
    const isFaultOfRequest = request.resolution === 'merge' && failure.code === 'INVALID_PAYLOAD';
    throw isFaultOfRequest ? invalidPayload(failure) : toRequestProblem(failure, fault);
  }
  return {
    kindVersion: content.kindVersion,
    envelope: resolutionEnvelope(conflict.sequence),
    payload: JSON.stringify(content.payload),
    definition: interpreted.kind,
    intent: interpreted.interpretation.intent,
  };
}

/** The resolution happens now, and its base is the current record. So it states neither a time nor a base. */
function resolutionEnvelope(sequence: number | null): Envelope {
  return { ...envelopeOf({}), sequence };
}

/** The event cannot be applied. The conflict stays open. */
function toRequestProblem({ code, message }: EventFailure, fault?: unknown): RequestProblem {
  return new RequestProblem('RESOLUTION_REFUSED', message, { failure: code }, fault);
}

function invalidPayload({ message, path = 'payload' }: Partial<EventFailure>): RequestProblem {
  return new RequestProblem('INVALID_ENVELOPE', message, { path });
}
