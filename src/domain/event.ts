import { hash } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson, sha256 } from './fingerprint.ts';
import { identifierSchema, readIdentifier } from './identifier.ts';
import { isObject } from './json-value.ts';
import type { EntityRef } from './record.ts';
import { timestampSchema } from './timestamp.ts';

/** A position in the tenant's log; 0 before the first event. JSON and JavaScript represent it exactly. */
export const versionSchema = z.int().min(0);

/**
 * The optional fields of an event that are stored with it. They are part of its content: two events that differ in
 * one of them are different events. A new field is declared here. The types of everything that must know it are
 * derived from this list, so that the compiler finds a place that was forgotten.
 */
const envelopeFields = {
  occurredAt: timestampSchema
    .nullish()
    .describe('When it happened, by the clock of the client; without it, the time of receipt'),
  baseVersion: versionSchema
    .nullish()
    .describe('Precondition: the record version that this edit was made on; 0 for none yet'),
  baseKey: identifierSchema
    .nullish()
    .describe("Precondition: the identityKey of the client's own event this edit was made on"),
  sequence: z.int().min(1).nullish().describe('1, 2, 3 … per entity, for kinds that keep an order'),
};

/** The optional fields that say for whom the event was queued. They are checked against the token, and not stored. */
const accountFields = {
  tenant: identifierSchema
    .nullish()
    .describe('The tenant that the event was queued for: under the token of another it fails'),
  subject: identifierSchema
    .nullish()
    .describe('The subject that the event was queued for: under the token of another it fails'),
};

/** One queued action, as a client sends it. The schema of its kind describes the payload. */
export const eventSchema = z
  .strictObject({
    identityKey: identifierSchema.describe(
      "The client's name for this action: chosen once, kept over every retry, unique per tenant",
    ),
    kind: z.string().describe('The name of a kind that this server has'),
    version: z
      .int()
      .min(1)
      .nullable()
      .default(1)
      .transform((version) => version ?? 1)
      .describe("The payload's schema version"),
    ...envelopeFields,
    ...accountFields,
    payload: z.unknown().nonoptional().describe('The data, as the schema of the kind describes it'),
  })
  .refine((event) => isAbsent(event.baseVersion) || isAbsent(event.baseKey), {
    path: ['baseKey'],
    message: 'cannot be sent together with baseVersion',
  })
  .refine((event) => event.baseKey !== event.identityKey, {
    path: ['baseKey'],
    message: 'cannot be the identityKey of the same event',
  });

export type SyncEvent = z.infer<typeof eventSchema>;

/** The optional fields of an event as they are stored: null where the client did not send one. */
export type Envelope = {
  readonly [Name in keyof typeof envelopeFields]: NonNullable<SyncEvent[Name]> | null;
};

const envelopeNames = Object.keys(envelopeFields) as readonly (keyof Envelope)[];

/** The optional fields of anything that has them. */
export function envelopeOf(source: Partial<Pick<SyncEvent, keyof Envelope>>): Envelope {
  return {
    occurredAt: source.occurredAt ?? null,
    baseVersion: source.baseVersion ?? null,
    baseKey: source.baseKey ?? null,
    sequence: source.sequence ?? null,
  };
}

/** The fields beside the envelope that are part of the content. */
type OtherContent = Omit<SyncEvent, 'identityKey' | keyof typeof accountFields | keyof Envelope>;

/**
 * The part of an event that must be the same in two sends of one identityKey. Times are numbers, so that two notations
 * of one time are the same. A field that is null is left out, like a field that was not sent.
 */
export function contentOf(event: OtherContent & Partial<Pick<SyncEvent, keyof Envelope>>): object {
  const { kind, version, payload } = event;
  const content: { [name: string]: unknown } = {
    ...({ kind, version, payload } satisfies OtherContent),
  };
  for (const name of envelopeNames) {
    if (!isAbsent(event[name])) content[name] = event[name];
  }
  return content;
}

/** SHA-256 of the canonical JSON of a content: equal contents have equal fingerprints. */
export function fingerprintOf(content: object): Buffer {
  return sha256(canonicalJson(content));
}

/** The first 16 bytes of the SHA-256 of an identityKey, as hexadecimal digits: what a stored event is found by. */
export function hashKey(identityKey: string): string {
  return hash('sha256', identityKey, 'hex').slice(0, 32);
}

/** What is compared of an event that was sent. */
interface ComparedEvent extends StoredContent {
  readonly identityKey: string;
  readonly envelope: Envelope;
  readonly fingerprint: Buffer | null;
}

/** Whether a stored event and one that was sent under its key say the same. */
export function isSameEvent(stored: KnownEvent, sent: ComparedEvent): boolean {
  if (stored.identityKey !== sent.identityKey) return false;
  if (stored.fingerprint === null && stored.payload === null) return false;
  const isEqual =
    stored.fingerprint === null &&
    sent.fingerprint === null &&
    stored.payload === sent.payload &&
    stored.kind === sent.kind &&
    stored.kindVersion === sent.kindVersion &&
    envelopeNames.every((name) => stored[name] === sent.envelope[name]);
  return (
    isEqual || eventFingerprint(stored).equals(eventFingerprint({ ...sent, ...sent.envelope }))
  );
}

/** The fingerprint of what an event says: its own, or that of the content which its other fields say. */
export function eventFingerprint(
  event: Envelope & StoredContent & Pick<StoredEvent, 'fingerprint'>,
): Buffer {
  if (event.fingerprint) return event.fingerprint;
  const payload: unknown = event.payload === null ? null : JSON.parse(event.payload);
  return fingerprintOf(contentOf({ ...event, version: event.kindVersion, payload }));
}

/** An optional field that is null is treated as if it were not sent. */
function isAbsent(field: unknown): boolean {
  return field === undefined || field === null;
}

/** The identityKey of an event in the protocol's words; null if there is none that an answer can hold. */
export function readIdentityKey(event: unknown): string | null {
  return isObject(event) ? readIdentifier(event.identityKey) : null;
}

/**
 * The result of an event that was decided and stored. A `conflict` is stored so that a person can find it. `merged`
 * was settled by the resolve hook of its kind, or is in the record only in part; clients are answered `applied`.
 */
export const storedOutcomeSchema = z.enum(['applied', 'noop', 'superseded', 'merged', 'conflict']);

export type StoredOutcome = z.infer<typeof storedOutcomeSchema>;

/**
 * How a person settles a conflict. `discard`: the record stays as it is. `force`: the edit is applied to the record
 * as it is now. `merge`: the data in the request is applied instead.
 */
export const resolutionSchema = z.enum(['discard', 'force', 'merge']);

export type Resolution = z.infer<typeof resolutionSchema>;

interface StoredContent {
  readonly kind: string;
  readonly kindVersion: number;
  /** JSON text, as the client sent it; null after retention has dropped it. */
  readonly payload: string | null;
}

/** One row of the log. Times are microseconds since 1970. */
export interface StoredEvent extends Envelope, EntityRef {
  readonly version: number;
  readonly identityKey: string;
  /** See `hashKey`. */
  readonly keyHash: string;
  /** Set where the other fields do not say what the client sent; else null. */
  readonly fingerprint: Buffer | null;
  /** The version of the last event before it that touched the entity; null for the first. */
  readonly previousVersion: number | null;
  readonly kind: string;
  readonly kindVersion: number;
  readonly outcome: StoredOutcome;
  readonly deviceId: string | null;
  /** Of the token that sent the event. */
  readonly subject: string | null;
  readonly effectiveAt: number;
  readonly receivedAt: number;
  readonly clockAdjusted: boolean;
  /** JSON text, as the client sent it. */
  readonly payload: string;
  /** The versions of the event's own record before and after it; 0 if there was none. */
  readonly recordBefore: number;
  readonly recordAfter: number;
  /** The conflict that this event resolves. */
  readonly resolves: { readonly version: number; readonly resolution: Resolution } | null;
}

/** A change that an event made to a record beside its own; or an event whose own entity has no record. */
export interface StoredEffect extends EntityRef {
  /** Of the event. */
  readonly version: number;
  /** The version of the last event before it that touched the entity; null for the first. */
  readonly previousVersion: number | null;
  readonly recordBefore: number;
  readonly recordAfter: number;
}

/** What identifies a stored event: after a restore, another event can have the same version. */
export interface EventReference {
  readonly keyHash: string;
  readonly receivedAt: number;
}

/** A stored event that a batch refers to, by identityKey, baseKey or baseVersion. */
export interface KnownEvent extends Envelope, EntityRef, StoredContent {
  readonly identityKey: string;
  readonly version: number;
  readonly fingerprint: Buffer | null;
  readonly outcome: StoredOutcome;
  /** The event one version before it; undefined for the first. */
  readonly previous: EventReference | undefined;
}

/** The version of a tenant's log that an edit of an entity names as its base. */
export interface EventBase extends EntityRef {
  readonly version: number;
}
