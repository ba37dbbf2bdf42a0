import { RequestProblem } from '../domain/errors.ts';
import type { KindRegistry } from '../domain/kinds/registry.ts';
import type { ResolutionRequest } from '../protocol/conflict.ts';
import { type Batch, createBatch } from '../domain/decide/batch.ts';
import type { BatchDecision } from '../domain/decide/outcome.ts';
import {
  assertMergedPayload,
  fingerprintOf,
  toRequestProblem,
  toResolutionEvent,
} from './resolution-event.ts';
import type { LoggedEvent, StoredConflict } from './audit-store.ts';

/** Who asks, by the token. */
export interface ConflictResolver {
  readonly tenantId: string;
  readonly deviceId: string | null;
  readonly subject: string | null;
  readonly scopes: readonly string[];
}

/**
 * The batch that settles a conflict; undefined where it is settled already, in just this way.
 *
 * @throws RequestProblem FORBIDDEN, ALREADY_RESOLVED, INVALID_ENVELOPE or RESOLUTION_REFUSED
 */
export function toResolutionBatch(
  { event, settled }: StoredConflict,
  request: ResolutionRequest,
  resolver: ConflictResolver,
  rules: { readonly kinds: KindRegistry; readonly maxEventBytes: number },
): Batch | undefined {
  checkScope(event, resolver, rules.kinds);
  assertMergedPayload(request, rules.maxEventBytes);
  if (settled) {
    // What was asked for first stands, also where its kind would refuse it by now.
    if (fingerprintOf(event, request).equals(settled.event.fingerprint)) return undefined;
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

/** @throws RequestProblem ALREADY_RESOLVED or RESOLUTION_REFUSED where it was not accepted */
export function assertResolved({ outcomes: [outcome] }: BatchDecision): void {
  if (outcome?.status !== 'failed') return;
  // Another request of the same moment was first.
  if (outcome.failure.code === 'IDENTITY_KEY_REUSED') throw new RequestProblem('ALREADY_RESOLVED');
  throw toRequestProblem(outcome.failure, outcome.fault);
}

/** Who may not send a kind may not settle what came of it either. */
function checkScope(
  { kind }: LoggedEvent,
  { scopes }: ConflictResolver,
  kinds: KindRegistry,
): void {
  const scope = kinds.find(kind)?.scope;
  if (scope === undefined || scopes.includes(scope)) return;
  throw new RequestProblem('FORBIDDEN', `A conflict of ${kind} needs the scope ${scope}.`);
}
