import type { z } from 'zod';
import { type EventFailure, kindFailedFailure } from '../errors.ts';
import {
  contentOf,
  type Envelope,
  envelopeOf,
  eventSchema,
  fingerprintOf,
  hashKey,
  readIdentityKey,
  type StoredEvent,
  type SyncEvent,
  versionSchema,
} from '../event.ts';
import { identifierRule, identifierSchema } from '../identifier.ts';
import { describeFirstIssue, findUnsafeJson } from '../json-value.ts';
import type { Interpretation, Kind } from '../kinds/define-kind.ts';
import { entitiesOf, type EventIntent, resolveBase } from '../kinds/policies/intent-rules.ts';
import type { EditBase } from '../kinds/policies/policy.ts';
import type { KindRegistry } from '../kinds/registry.ts';
import type { EntityRef } from '../record.ts';

/** A valid event, ready to be decided. */
export interface DecodedEvent extends EntityRef {
  readonly identityKey: string;
  /** See `hashKey`. */
  readonly keyHash: string;
  /** Of what the event says, where what is stored does not say it; else null. See `contentOf`. */
  readonly fingerprint: Buffer | null;
  readonly kind: string;
  readonly kindVersion: number;
  /** With the base that the payload states or the policy implies. Times are microseconds since 1970. */
  readonly envelope: Envelope;
  /** JSON text of the payload as it was sent. */
  readonly payload: string;
  /** The conflict that this event resolves; null for all events that clients send. */
  readonly resolves: StoredEvent['resolves'];
  readonly definition: Pick<Kind, 'name' | 'ordered' | 'failures'>;
  readonly intent: EventIntent;
  readonly resolve: Interpretation['resolve'];
}

/** An event that failed before it could be decided. */
export interface UndecodedEvent {
  /** Null if the event has no readable key: the answer then names it by its index. */
  readonly identityKey: string | null;
  readonly failure: EventFailure;
  /** What the code of the kind threw, for the log. */
  readonly fault?: unknown;
  /** Later events of the batch that have to wait for it. */
  readonly blocks?: BlockedScope | undefined;
}

/** The entity of an event that could not be interpreted; if the entity is not known, the entity types it may have. */
export type BlockedScope = EntityRef | { readonly entityTypes: readonly string[] };

export type DecodeResult =
  | { readonly ok: true; readonly event: DecodedEvent }
  | { readonly ok: false; readonly undecoded: UndecodedEvent };

export interface DecodeOptions {
  readonly maxEventBytes: number;
  readonly sender: EventSender;
}

/** The token with which the event was sent. */
export interface EventSender {
  readonly tenantId: string;
  readonly subject: string | null;
  /** Some kinds need a scope of their own. */
  readonly scopes: readonly string[];
}

/** The keys of events that the server itself makes start with this. */
export const reservedKeyPrefix = 'landfall:';

/** Step 1 of the protocol: reads one element of `events`, which can be any JSON value. Pure. */
export function decodeEvent(
  raw: unknown,
  registry: KindRegistry,
  { maxEventBytes, sender }: DecodeOptions,
): DecodeResult {
  const fail = (failure: EventFailure, blocks?: BlockedScope, fault?: unknown): DecodeResult => ({
    ok: false,
    undecoded: { identityKey: readIdentityKey(raw), failure, fault, blocks },
  });

  const jsonFault = findUnsafeJson(raw);
  if (jsonFault) return fail(jsonFault);
  const parsed = eventSchema.safeParse(raw);
  if (!parsed.success) return fail(toEnvelopeFailure(parsed.error));
  const event = parsed.data;
  if (event.identityKey.startsWith(reservedKeyPrefix)) return fail(reservedKey);
  const wrongAccount = checkAccount(event, sender);
  if (wrongAccount) return fail(wrongAccount);

  const payload = JSON.stringify(event.payload);
  if (isTooLarge(event, payload, maxEventBytes)) {
    return fail({ code: 'EVENT_TOO_LARGE', message: `is larger than ${maxEventBytes} bytes` });
  }
  const kind = registry.find(event.kind);
  if (!kind) {
    return fail(unknownKind(event), { entityTypes: registry.entityTypesOfSameGroup(event.kind) });
  }
  if (event.version > kind.newestVersion) {
    return fail(unsupportedVersion(event, kind), { entityTypes: [kind.entityType] });
  }
  const notAccepted = checkScopeAndSequence(event, kind, sender.scopes);
  if (notAccepted) return fail(notAccepted);
  const result = interpretPayload(kind, event.version, event.payload);
  if (!result.ok) return fail(withVersion(result.failure, raw, kind), result.blocks, result.fault);
  const { interpretation } = result;
  const envelope = envelopeOf(event);
  const resolved = resolveBase(kind.precondition, envelope, interpretation.baseVersion);
  if (!resolved.ok) {
    const { message, path } = resolved;
    return fail({ code: 'INVALID_EVENT', message: `${kind.name} ${message}`, path });
  }
  const decoded = {
    identityKey: event.identityKey,
    keyHash: hashKey(event.identityKey),
    // A base that the client did not send is stored as if it had.
    fingerprint: isSameBase(envelope, resolved.base) ? null : fingerprintOf(contentOf(event)),
    kind: kind.name,
    kindVersion: event.version,
    entityType: kind.entityType,
    entityId: interpretation.entityId,
    envelope: withBase(envelope, resolved.base),
    payload,
    resolves: null,
    definition: kind,
    intent: interpretation.intent,
    resolve: interpretation.resolve,
  };
  return { ok: true, event: decoded };
}

/** The most bytes that a character of JSON takes in UTF-8. */
const bytesPerCharacter = 3;
/** The most bytes that a character takes in the UTF-8 of its JSON, where it may have to be escaped. */
const escapedBytesPerCharacter = 6;
/** The most bytes that the JSON of a content has beside its payload and its kind. */
const maxOtherBytes = 2_000;

/** Whether the JSON of an event's content is too long. It is only printed where it may be. */
function isTooLarge(event: SyncEvent, payload: string, maxBytes: number): boolean {
  const atMost =
    payload.length * bytesPerCharacter +
    event.kind.length * escapedBytesPerCharacter +
    maxOtherBytes;
  return atMost > maxBytes && Buffer.byteLength(JSON.stringify(contentOf(event))) > maxBytes;
}

function isSameBase(envelope: Envelope, base: EditBase): boolean {
  return envelope.baseVersion === base.baseVersion && envelope.baseKey === base.baseKey;
}

function withBase(envelope: Envelope, base: EditBase): Envelope {
  return isSameBase(envelope, base) ? envelope : { ...envelope, ...base };
}

/** Several people may use a device: it may send events that another person left in its queue. */
function checkAccount(event: SyncEvent, sender: EventSender): EventFailure | undefined {
  if ((event.tenant ?? sender.tenantId) !== sender.tenantId) return wrongAccountFailure('tenant');
  if ((event.subject ?? sender.subject) !== sender.subject) return wrongAccountFailure('subject');
  return undefined;
}

function wrongAccountFailure(path: 'tenant' | 'subject'): EventFailure {
  return { code: 'WRONG_ACCOUNT', message: `is not the ${path} of this token`, path };
}

function checkScopeAndSequence(
  event: SyncEvent,
  { name, scope, ordered }: Kind,
  scopes: readonly string[],
): EventFailure | undefined {
  if (scope !== undefined && !scopes.includes(scope)) {
    return { code: 'NOT_ALLOWED', message: `${name} needs the scope ${scope}`, path: 'kind' };
  }
  if (!ordered || (event.sequence ?? null) !== null) return undefined;
  return { code: 'INVALID_EVENT', message: `${name} needs a sequence`, path: 'sequence' };
}

function toEnvelopeFailure(error: z.ZodError): EventFailure {
  const issue = describeFirstIssue(error);
  return { code: issue.path === 'occurredAt' ? 'INVALID_TIMESTAMP' : 'INVALID_EVENT', ...issue };
}

/** The longest name that a kind can have. */
const maxKindName = 100;

function unknownKind({ kind }: SyncEvent): EventFailure {
  const failing = kind.slice(0, maxKindName);
  const message = `no kind ${JSON.stringify(failing)}`;
  return { code: 'UNKNOWN_KIND', message, path: 'kind', failing };
}

function unsupportedVersion(event: SyncEvent, kind: Kind): EventFailure {
  return {
    code: 'UNSUPPORTED_VERSION',
    message: `${kind.name} has versions 1 to ${kind.newestVersion}, not ${event.version}`,
    path: 'version',
    failing: `${kind.name} version ${event.version}`,
  };
}

/** Without this hint, a client that forgets the version of a newer payload only reads of unknown or missing fields. */
function withVersion(failure: EventFailure, raw: unknown, { newestVersion }: Kind): EventFailure {
  const isStated = (Reflect.get(Object(raw), 'version') ?? null) !== null;
  if (failure.code !== 'INVALID_PAYLOAD' || isStated || newestVersion === 1) return failure;
  const hint = `read as version 1; the newest is ${newestVersion}`;
  return { ...failure, message: `${failure.message} (${hint})` };
}

const reservedKey: EventFailure = {
  code: 'INVALID_EVENT',
  message: `starts with ${reservedKeyPrefix}, which is reserved for events of the server`,
  path: 'identityKey',
};

export type PayloadResult =
  | { readonly ok: true; readonly interpretation: Interpretation }
  | ({ readonly ok: false } & Omit<UndecodedEvent, 'identityKey'>);

/**
 * Interprets a payload by its kind. A kind is code of its author: if it throws, this event fails, and not its batch.
 * The ids and versions that it returns are checked like those that a client sends.
 *
 * @param version one of 1..newestVersion
 */
export function interpretPayload(kind: Kind, version: number, payload: unknown): PayloadResult {
  const { name, entityType } = kind;
  const result = kind.interpret(version, payload);
  if (result.ok) {
    const { interpretation } = result;
    return checkInterpretation(kind, interpretation) ?? { ok: true, interpretation };
  }
  if (result.error) return invalidPayload(describeFirstIssue(result.error, 'payload'));
  const { fault, entityId } = result;
  // A kind may be written in plain JavaScript, and its id may be something else than a text.
  const blocks =
    typeof entityId === 'string' ? { entityType, entityId } : { entityTypes: [entityType] };
  return { ok: false, failure: kindFailedFailure(name), fault, blocks };
}

/** Each record that an event reads is loaded under the tenant's lock. */
const maxReads = 100;

/** Ids are keys in the database and in answers, so they are checked whatever the schema of the kind accepts. */
function checkInterpretation(
  { name, entityType }: Kind,
  { entityId, intent, baseVersion }: Interpretation,
): PayloadResult | undefined {
  const invalid = (message: string) => invalidPayload({ message, path: 'payload' });
  const entities = entitiesOf({ entityType, entityId }, intent);
  if (entities.length > maxReads + 1) {
    return invalid(`${name} would read ${entities.length - 1} records, at most ${maxReads}`);
  }
  const wrong = entities.find((entity) => !identifierSchema.safeParse(entity.entityId).success);
  if (wrong) return invalid(`the id of a ${wrong.entityType} must be ${identifierRule}`);
  if (baseVersion === undefined || versionSchema.safeParse(baseVersion).success) return undefined;
  return invalid('the version that the edit was made on must be an integer, 0 or more');
}

function invalidPayload(issue: Pick<EventFailure, 'message' | 'path'>): PayloadResult {
  return { ok: false, failure: { code: 'INVALID_PAYLOAD', ...issue } };
}
