import { createHash } from 'node:crypto';
import type { z } from 'zod';
import type { EventFailure } from '../errors.ts';
import type { Kind, MeaningResult } from '../kinds/define-kind.ts';
import type { Write } from '../kinds/policies.ts';
import type { KindRegistry } from '../kinds/registry.ts';
import { type Event, eventSchema } from '../protocol/event.ts';
import { describeFirst } from '../protocol/issue.ts';
import { findUnstorable } from '../protocol/json.ts';
import { identifierSchema } from '../protocol/text.ts';
import { toMicros } from '../protocol/time.ts';
import { canonicalJson } from './canonical-json.ts';

/** A valid event, ready to be decided. */
export interface DecodedEvent {
  readonly identityKey: string;
  /** SHA-256 over everything that makes two sends of a key the same event. */
  readonly fingerprint: Buffer;
  readonly kind: string;
  readonly kindVersion: number;
  readonly ordered: boolean;
  readonly entityType: string;
  readonly entityId: string;
  readonly write: Write;
  /** Microseconds since 1970. */
  readonly occurredAt: number | null;
  readonly baseVersion: number | null;
  readonly baseKey: string | null;
  readonly sequence: number | null;
  /** JSON text of the payload as it was sent. */
  readonly payload: string;
}

/** What stands for an event that failed: its key, or where it has no readable one, its index. */
export interface UndecodedEvent {
  readonly identityKey: string | null;
  readonly failure: EventFailure;
  /** What the kind's own code threw, for the log. */
  readonly fault?: unknown;
}

export type DecodeResult =
  | { readonly ok: true; readonly event: DecodedEvent }
  | { readonly ok: false; readonly undecoded: UndecodedEvent };

export interface DecodeLimits {
  readonly maxEventBytes: number;
}

/** Step 1 of deciding: reads one element of `events`, whatever it is. Pure. */
export function decodeEvent(
  raw: unknown,
  registry: KindRegistry,
  limits: DecodeLimits,
): DecodeResult {
  const fail = (failure: EventFailure, fault?: unknown): DecodeResult => ({
    ok: false,
    undecoded: { identityKey: readableKey(raw), failure, fault },
  });

  const unstorable = findUnstorable(raw);
  if (unstorable) return fail(unstorable);
  const parsed = eventSchema.safeParse(raw);
  if (!parsed.success) return fail(envelopeFailure(parsed.error));
  const event = parsed.data;

  const canonical = canonicalJson(withoutKey(event));
  if (Buffer.byteLength(canonical) > limits.maxEventBytes) {
    const message = `is larger than ${limits.maxEventBytes} bytes`;
    return fail({ code: 'EVENT_TOO_LARGE', message });
  }
  const kind = registry.find(event.kind);
  if (!kind) return fail(unknownKind(event));
  if (event.version > kind.newestVersion) return fail(unsupportedVersion(event, kind));
  if (kind.ordered && event.sequence === undefined) return fail(sequenceMissing(kind));
  const result = interpret(kind, event);
  if ('fault' in result) return fail(kindFailure(kind), result.fault);
  if (!result.ok) return fail(payloadFailure(result.error));
  if (!identifierSchema.safeParse(result.meaning.entityId).success) return fail(badEntityId(kind));

  const fingerprint = createHash('sha256').update(canonical).digest();
  return { ok: true, event: toDecoded(event, kind, result.meaning, fingerprint) };
}

/** A kind is somebody else's code: where it throws, that event fails, and not its batch. */
function interpret(kind: Kind, event: Event): MeaningResult | { readonly fault: unknown } {
  try {
    return kind.interpret(event.version, event.payload);
  } catch (fault) {
    return { fault };
  }
}

function kindFailure(kind: Kind): EventFailure {
  return { code: 'KIND_FAILED', message: `${kind.name} failed on this event` };
}

function toDecoded(
  event: Event,
  kind: Kind,
  meaning: { entityId: string; write: Write },
  fingerprint: Buffer,
): DecodedEvent {
  return {
    identityKey: event.identityKey,
    fingerprint,
    kind: kind.name,
    kindVersion: event.version,
    ordered: kind.ordered,
    entityType: kind.entityType,
    entityId: meaning.entityId,
    write: meaning.write,
    occurredAt: event.occurredAt === undefined ? null : toMicros(event.occurredAt),
    baseVersion: event.baseVersion ?? null,
    baseKey: event.baseKey ?? null,
    sequence: event.sequence ?? null,
    payload: JSON.stringify(event.payload),
  };
}

function withoutKey({ identityKey: _key, ...rest }: Event): Omit<Event, 'identityKey'> {
  return rest;
}

function readableKey(raw: unknown): string | null {
  if (typeof raw !== 'object' || raw === null || !('identityKey' in raw)) return null;
  const key = identifierSchema.safeParse(raw.identityKey);
  return key.success ? key.data : null;
}

function envelopeFailure(error: z.ZodError): EventFailure {
  const issue = describeFirst(error);
  return { code: issue.path === 'occurredAt' ? 'INVALID_TIMESTAMP' : 'INVALID_EVENT', ...issue };
}

function payloadFailure(error: z.ZodError): EventFailure {
  return { code: 'INVALID_PAYLOAD', ...describeFirst(error, 'payload') };
}

function unknownKind(event: Event): EventFailure {
  return {
    code: 'UNKNOWN_KIND',
    message: `no kind ${JSON.stringify(event.kind.slice(0, 100))}`,
    path: 'kind',
  };
}

function unsupportedVersion(event: Event, kind: Kind): EventFailure {
  return {
    code: 'UNSUPPORTED_VERSION',
    message: `${kind.name} knows versions 1 to ${kind.newestVersion}, not ${event.version}`,
    path: 'version',
  };
}

/** A key of the database and of every answer, whatever the kind's own schema lets through. */
function badEntityId(kind: Kind): EventFailure {
  const message = `the id of a ${kind.entityType} must be 1 to 200 printable characters`;
  return { code: 'INVALID_PAYLOAD', message, path: 'payload' };
}

function sequenceMissing(kind: Kind): EventFailure {
  return { code: 'INVALID_EVENT', message: `${kind.name} needs a sequence`, path: 'sequence' };
}
