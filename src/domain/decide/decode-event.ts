import type { z } from 'zod';
import { type SyncEvent, eventSchema, readIdentityKey } from '../event.ts';
import { findEventFault } from '../json-value.ts';
import type { StoredEvent } from '../stored-event.ts';
import type { EventFailure } from '../errors.ts';
import type { Kind, Interpretation } from '../kinds/define-kind.ts';
import type { Intent } from '../kinds/intent.ts';
import type { KindRegistry } from '../kinds/registry.ts';
import { describeFirstIssue } from '../schema-issue.ts';
import { sha256 } from '../sha-256.ts';
import { canonicalJson } from '../canonical-json.ts';
import type { BlockedScope } from './entities-of-event.ts';
import { interpretPayload } from './interpret-payload.ts';

/** A valid event, ready to be decided. */
export interface DecodedEvent {
  readonly identityKey: string;
  /** SHA-256 over everything that makes two sends of a key the same event. */
  readonly fingerprint: Buffer;
  readonly kind: string;
  readonly kindVersion: number;
  readonly entityType: string;
  readonly entityId: string;
  /** Microseconds since 1970. */
  readonly occurredAt: number | null;
  readonly baseVersion: number | null;
  readonly baseKey: string | null;
  readonly sequence: number | null;
  /** JSON text of the payload as it was sent. */
  readonly payload: string;
  /** The conflict that this event resolves; null for all that clients send. */
  readonly resolves: StoredEvent['resolves'];
  readonly definition: Pick<Kind, 'name' | 'ordered' | 'failures'>;
  /** `discard`: the event is kept, and writes nothing. */
  readonly intent: Intent | { readonly policy: 'discard' };
  readonly resolve: Interpretation['resolve'];
}

/** What stands for an event that failed: its key, or where it has no readable one, its index. */
export interface UndecodedEvent {
  readonly identityKey: string | null;
  readonly failure: EventFailure;
  /** What the kind's own code threw, for the log. */
  readonly fault?: unknown;
  /** What later events of the batch wait for it. */
  readonly blocks?: BlockedScope | undefined;
}

export type DecodeResult =
  | { readonly ok: true; readonly event: DecodedEvent }
  | { readonly ok: false; readonly undecoded: UndecodedEvent };

export interface DecodeOptions {
  readonly maxEventBytes: number;
  readonly sender: EventSender;
}

/** Whose token sends the event. */
export interface EventSender {
  readonly tenantId: string;
  readonly subject: string | null;
  /** Some kinds need one of their own. */
  readonly scopes: readonly string[];
}

/** Keys of events that the server makes itself. */
export const reservedKeyPrefix = 'landfall:';

/** Step 1 of deciding: reads one element of `events`, whatever it is. Pure. */
export function decodeEvent(
  raw: unknown,
  registry: KindRegistry,
  rules: DecodeOptions,
): DecodeResult {
  const fail = (
    failure: EventFailure,
    holdsBack?: BlockedScope,
    fault?: unknown,
  ): DecodeResult => ({
    ok: false,
    undecoded: { identityKey: readIdentityKey(raw), failure, fault, blocks: holdsBack },
  });

  const fault = findEventFault(raw);
  if (fault) return fail(fault);
  const parsed = eventSchema.safeParse(raw);
  if (!parsed.success) return fail(envelopeFailure(parsed.error));
  const event = parsed.data;
  if (event.identityKey.startsWith(reservedKeyPrefix)) return fail(reservedKey);
  const stranger = otherAccountOf(event, rules.sender);
  if (stranger) return fail(stranger);

  const canonical = canonicalJson(contentOf(event));
  if (Buffer.byteLength(canonical) > rules.maxEventBytes) {
    const message = `is larger than ${rules.maxEventBytes} bytes`;
    return fail({ code: 'EVENT_TOO_LARGE', message });
  }
  const kind = registry.find(event.kind);
  if (!kind)
    return fail(unknownKind(event), { entityTypes: registry.entityTypesOfSameGroup(event.kind) });
  if (event.version > kind.newestVersion) {
    return fail(unsupportedVersion(event, kind), { entityTypes: [kind.entityType] });
  }
  const misfit = misfitOf(event, kind, rules.sender.scopes);
  if (misfit) return fail(misfit);
  const read = interpretPayload(kind, event.version, event.payload);
  if (!read.ok) return fail(withVersion(read.failure, raw, kind), read.holdsBack, read.fault);
  const base = readBase(event, kind, read.meaning);
  if (!base.ok) return fail(base.failure);

  const fingerprint = sha256(canonical);
  return {
    ok: true,
    event: { ...toDecoded(event, kind, read.meaning, fingerprint), ...base.of },
  };
}

/** Why an event is none that its kind takes, whatever its payload. */
function misfitOf(
  event: SyncEvent,
  kind: Kind,
  scopes: readonly string[],
): EventFailure | undefined {
  if (kind.scope !== undefined && !scopes.includes(kind.scope)) return notAllowed(kind);
  return kind.ordered && (event.sequence ?? null) === null ? sequenceMissing(kind) : undefined;
}

function toDecoded(
  event: SyncEvent,
  kind: Kind,
  meaning: Interpretation,
  fingerprint: Buffer,
): Omit<DecodedEvent, 'baseVersion' | 'baseKey'> {
  return {
    identityKey: event.identityKey,
    fingerprint,
    kind: kind.name,
    kindVersion: event.version,
    entityType: kind.entityType,
    entityId: meaning.entityId,
    occurredAt: event.occurredAt ?? null,
    sequence: event.sequence ?? null,
    payload: JSON.stringify(event.payload),
    resolves: null,
    definition: kind,
    intent: meaning.intent,
    resolve: meaning.resolve,
  };
}

type Base = Pick<DecodedEvent, 'baseVersion' | 'baseKey'>;
type BaseResult =
  | { readonly ok: true; readonly of: Base }
  | { readonly ok: false; readonly failure: EventFailure };

/** What the edit was made on: as the event says, else its payload, else as its kind implies. */
function readBase(event: SyncEvent, kind: Kind, meaning: Interpretation): BaseResult {
  const [baseKey, baseVersion] = [event.baseKey ?? null, event.baseVersion ?? null];
  const fail = (message: string, path: string): BaseResult => ({
    ok: false,
    failure: { code: 'INVALID_EVENT', message: `${kind.name} ${message}`, path },
  });
  if (kind.precondition === 'absent') {
    if (baseKey !== null) return fail('creates, and is made on no event', 'baseKey');
    if (baseVersion) return fail('creates, and is made on no version', 'baseVersion');
    return { ok: true, of: { baseVersion: 0, baseKey: null } };
  }
  if (baseKey !== null) return { ok: true, of: { baseVersion: null, baseKey } };
  const stated = baseVersion ?? meaning.baseVersion ?? null;
  if (stated === null && kind.precondition === 'required') {
    return fail('needs the baseVersion or the baseKey of what it was made on', 'baseVersion');
  }
  return { ok: true, of: { baseVersion: stated, baseKey: null } };
}

/**
 * What makes two sends of a key the same event: all but the key, and whose queue it lay in. Two
 * spellings of one time are the same, and a member that is null is the same as none.
 */
function contentOf(event: SyncEvent): object {
  return {
    kind: event.kind,
    version: event.version,
    occurredAt: event.occurredAt ?? undefined,
    baseVersion: event.baseVersion ?? undefined,
    baseKey: event.baseKey ?? undefined,
    sequence: event.sequence ?? undefined,
    payload: event.payload,
  };
}

/** A device that several people use may send what another of them left in its queue. */
function otherAccountOf(
  event: SyncEvent,
  { tenantId, subject }: EventSender,
): EventFailure | undefined {
  if ((event.tenant ?? tenantId) !== tenantId) return wrongAccount('tenant');
  return (event.subject ?? subject) === subject ? undefined : wrongAccount('subject');
}

function wrongAccount(path: 'tenant' | 'subject'): EventFailure {
  return { code: 'WRONG_ACCOUNT', message: `is not the ${path} of this token`, path };
}

function envelopeFailure(error: z.ZodError): EventFailure {
  const issue = describeFirstIssue(error);
  return { code: issue.path === 'occurredAt' ? 'INVALID_TIMESTAMP' : 'INVALID_EVENT', ...issue };
}

/** No name of a kind is longer. */
const maxKindName = 100;

function unknownKind({ kind }: SyncEvent): EventFailure {
  const failing = kind.slice(0, maxKindName);
  const message = `no kind ${JSON.stringify(failing)}`;
  return { code: 'UNKNOWN_KIND', message, path: 'kind', failing };
}

function unsupportedVersion(event: SyncEvent, kind: Kind): EventFailure {
  return {
    code: 'UNSUPPORTED_VERSION',
    message: `${kind.name} knows versions 1 to ${kind.newestVersion}, not ${event.version}`,
    path: 'version',
    failing: `${kind.name} version ${event.version}`,
  };
}

/** Who forgets to say the version of a newer payload is told of fields that are unknown or missing. */
function withVersion(failure: EventFailure, raw: unknown, { newestVersion }: Kind): EventFailure {
  const isSaid = (Reflect.get(Object(raw), 'version') ?? null) !== null;
  if (failure.code !== 'INVALID_PAYLOAD' || isSaid || newestVersion === 1) return failure;
  const hint = `read as version 1; the newest is ${newestVersion}`;
  return { ...failure, message: `${failure.message} (${hint})` };
}

const reservedKey: EventFailure = {
  code: 'INVALID_EVENT',
  message: `begins with ${reservedKeyPrefix}, which names the server's own events`,
  path: 'identityKey',
};

function notAllowed({ name, scope }: Kind): EventFailure {
  return { code: 'NOT_ALLOWED', message: `${name} needs the scope ${scope}`, path: 'kind' };
}

function sequenceMissing(kind: Kind): EventFailure {
  return { code: 'INVALID_EVENT', message: `${kind.name} needs a sequence`, path: 'sequence' };
}
