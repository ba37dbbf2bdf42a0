/**
 * The closed table of everything that Landfall refuses, and what a client should do about it.
 * `openapi.yaml` and `docs/errors.md` are printed from it.
 */

/** The meaning of a failure code, for the client and for the page that documents it. */
export interface FailureEntry {
  /** Whether sending the same event again, unchanged, can succeed. */
  readonly retryable: boolean;
  /** How long a client should wait before it sends the event again, in milliseconds. */
  readonly retryAfterMs?: number;
  readonly cause: string;
  readonly remedy: string;
}

/** The reasons of a kind to refuse an event, by their code. */
export type KindFailures = { readonly [code: string]: FailureEntry };

/** A failure of Landfall's own table. */
export interface BuiltInFailureEntry extends FailureEntry {
  /** The server has to be repaired: the client keeps the event, and does not count the attempt. */
  readonly fault?: 'server';
}

interface ProblemEntry {
  readonly status: number;
  readonly title: string;
  readonly retryable: boolean;
  readonly cause: string;
  readonly remedy: string;
}

const keepForServer =
  'Keep the event, show it as waiting for the server, and send it again after `retryAfterMs`, for 30 days. Do not count these attempts.';

/** Why one event of a batch was not processed. The request itself is still answered with 200. */
export const eventFailures = {
  INVALID_EVENT: {
    retryable: false,
    cause:
      'A field beside the payload is missing, unknown, malformed or sent twice; `path` names it.',
    remedy: 'Correct the event. It was not stored, so it can keep its identityKey.',
  },
  INVALID_PAYLOAD: {
    retryable: false,
    cause:
      'The payload does not match the schema of its kind, or the event is nested deeper than 32 levels, or the payload has a field that would set a prototype (`__proto__`, `constructor.prototype`); `path` names the field.',
    remedy: 'Correct the payload. The event was not stored, so it can keep its identityKey.',
  },
  UNKNOWN_KIND: {
    retryable: true,
    retryAfterMs: 30_000,
    fault: 'server',
    cause:
      'This server does not have the kind: the server is older than the client, or the name is misspelt.',
    remedy: `${keepForServer} Operator: deploy the kind before the clients that send it.`,
  },
  UNSUPPORTED_VERSION: {
    retryable: true,
    retryAfterMs: 30_000,
    fault: 'server',
    cause:
      'The version of the payload is newer than the newest version of the kind on this server.',
    remedy: `${keepForServer} Operator: deploy the server before the clients; older versions stay accepted.`,
  },
  INVALID_TEXT: {
    retryable: false,
    cause:
      'A text contains U+0000, half of a surrogate pair or bytes that are not UTF-8. The database cannot store it.',
    remedy: 'Remove the character, or encode it as UTF-8; `path` names the field.',
  },
  INVALID_NUMBER: {
    retryable: false,
    cause: 'A number is not finite, or is an integer beyond 2^53-1, which JavaScript would change.',
    remedy: 'Send large integers as text; `path` names the field.',
  },
  INVALID_TIMESTAMP: {
    retryable: false,
    cause: '`occurredAt` is not an RFC 3339 time with a zone in the years 1900 to 2199.',
    remedy: 'Send UTC with a trailing Z, or leave the field out: then the time of receipt counts.',
  },
  EVENT_TOO_LARGE: {
    retryable: false,
    cause: 'The event is larger than MAX_EVENT_BYTES.',
    remedy: 'Split the event, or store large content elsewhere and send a reference to it.',
  },
  EVENT_TOO_OLD: {
    retryable: false,
    cause: 'The event is older than MAX_EVENT_AGE, a setting of this server.',
    remedy: 'Show the event to the user: the server will not accept it.',
  },
  NOT_FOUND: {
    retryable: true,
    retryAfterMs: 30_000,
    cause: 'The entity has not been created yet. The event that creates it may arrive later.',
    remedy: 'Keep the event and send it again later.',
  },
  IDENTITY_KEY_REUSED: {
    retryable: false,
    cause: 'Another event with this identityKey and with other content is already stored.',
    remedy:
      '`stored` describes the stored event. If it is the same action, the action is done; /api/sync/receipts tells more. Only a different action gets a new key.',
  },
  CONFLICT: {
    retryable: false,
    cause: 'The record has changed since the version that this edit was made on.',
    remedy:
      'Show `current` to the user or merge the edit with it, and send the result as a new event.',
  },
  BLOCKED: {
    retryable: true,
    retryAfterMs: 1_000,
    cause: 'An earlier event, on which this one depends, has not been accepted yet.',
    remedy: 'Send both again, in the same order.',
  },
  SEQUENCE_GAP: {
    retryable: true,
    retryAfterMs: 5_000,
    cause: 'An event with a lower sequence number has not arrived yet.',
    remedy: 'Send the missing events first, then this one again.',
  },
  SEQUENCE_CONFLICT: {
    retryable: false,
    cause: 'Another event of the entity already has this sequence number.',
    remedy: 'Pull, give the event a new number and a new identityKey, and send it.',
  },
  BATCH_ABORTED: {
    retryable: true,
    cause: 'Another event of this atomic batch failed, so nothing of the batch was stored.',
    remedy: 'Correct or remove the event that failed, and send the batch again.',
  },
  KIND_FAILED: {
    retryable: true,
    retryAfterMs: 30_000,
    fault: 'server',
    cause:
      'The code of the kind failed on this event: its policy, or an upcast of the payload or of a record that the event needs.',
    remedy: `${keepForServer} Operator: the error is in the log as \`kind.failed\`.`,
  },
  NOT_OWNER: {
    retryable: false,
    cause: 'The event acts on something that does not belong to its sender, or no longer does.',
    remedy: 'Drop the event and pull: the owner may have changed while the client was offline.',
  },
  WRONG_ACCOUNT: {
    retryable: false,
    cause: 'The event names another `tenant` or `subject` than the token; `path` tells which.',
    remedy: 'Keep the event, and send it with a token of the account that it names.',
  },
  NOT_ALLOWED: {
    retryable: false,
    cause: 'The token lacks the scope that this kind needs; `message` names it.',
    remedy: 'Send the event with a token that has the scope.',
  },
} as const satisfies Record<string, BuiltInFailureEntry>;

/** Why a whole request was refused, as `application/problem+json` (RFC 9457). */
export const requestProblems = {
  AUTH_REQUIRED: {
    status: 401,
    title: 'Authentication required',
    retryable: false,
    cause: 'The request has no `Authorization: Bearer` header.',
    remedy: 'Sign in, then send the same request again. No event was decided: keep the queue.',
  },
  TOKEN_INVALID: {
    status: 401,
    title: 'Token refused',
    retryable: false,
    cause: 'The token is malformed, expired, not for this service, or not signed by its issuer.',
    remedy: 'Get a new token, then send the same request again. Keep the queue.',
  },
  TENANT_REQUIRED: {
    status: 403,
    title: 'Token names no tenant',
    retryable: false,
    cause: 'The tenant claim is missing, empty, too long, or not a string.',
    remedy: 'The issuer of the token has to add the claim that JWT_TENANT_CLAIM names.',
  },
  FORBIDDEN: {
    status: 403,
    title: 'Scope missing',
    retryable: false,
    cause: "The token's `scope` does not allow this call.",
    remedy: 'Request a token with the scope that `detail` names.',
  },
  INVALID_JSON: {
    status: 400,
    title: 'Body is not JSON',
    retryable: false,
    cause:
      'The body is empty, truncated or not JSON, or a field outside the events is sent twice or would set a prototype.',
    remedy: 'Send one JSON document.',
  },
  INVALID_UTF8: {
    status: 400,
    title: 'Body is not UTF-8',
    retryable: false,
    cause: 'The body contains bytes that are not UTF-8, outside the texts of its events.',
    remedy: 'Encode the body as UTF-8.',
  },
  TOO_DEEP: {
    status: 400,
    title: 'Body is nested too deeply',
    retryable: false,
    cause: 'The JSON outside the events is nested deeper than 32 levels.',
    remedy: 'Flatten the JSON outside the events.',
  },
  INVALID_ENVELOPE: {
    status: 400,
    title: 'Invalid request body',
    retryable: false,
    cause: 'A field of the request, not of an event, is missing, unknown or malformed.',
    remedy: 'Correct the field that `path` names.',
  },
  EMPTY_BATCH: {
    status: 400,
    title: 'No events',
    retryable: false,
    cause: '`events` is empty.',
    remedy: 'Send at least one event, or do not send the request.',
  },
  BATCH_TOO_LARGE: {
    status: 413,
    title: 'Too many events',
    retryable: false,
    cause:
      'The batch has more events than `maxEvents`, or needs more work than one transaction may do.',
    remedy: 'Split the batch into batches of at most `maxEvents`, and keep the order.',
  },
  BODY_TOO_LARGE: {
    status: 413,
    title: 'Body too large',
    retryable: false,
    cause: 'The body, as it was sent or after decompression, is larger than `maxBytes`.',
    remedy: 'Send fewer events per request.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    title: 'Content-Type not supported',
    retryable: false,
    cause: 'Content-Type is missing or is not application/json.',
    remedy: 'Send `Content-Type: application/json`.',
  },
  UNSUPPORTED_ENCODING: {
    status: 415,
    title: 'Content-Encoding not supported',
    retryable: false,
    cause: 'The body is compressed with a coding that this server does not support.',
    remedy: 'Use gzip, deflate, br or zstd, or no compression.',
  },
  INVALID_BODY: {
    status: 400,
    title: 'Body could not be read',
    retryable: false,
    cause: 'The body does not match its Content-Encoding or Content-Length.',
    remedy: 'Send the request again; if it fails again, correct the encoder.',
  },
  MALFORMED_REQUEST: {
    status: 400,
    title: 'Not an HTTP request',
    retryable: false,
    cause: 'The request line, a header or the framing of the body is not valid HTTP.',
    remedy: 'Correct the client or the proxy that sent the request. The connection is closed.',
  },
  HEADERS_TOO_LARGE: {
    status: 431,
    title: 'Headers too large',
    retryable: false,
    cause: 'The URL and the headers together are larger than 16 KiB.',
    remedy: 'Send fewer or shorter headers, and a shorter URL. The connection is closed.',
  },
  REQUEST_TIMEOUT: {
    status: 408,
    title: 'Request timed out',
    retryable: true,
    cause: 'The headers did not arrive within 15 seconds, or the whole request within 30.',
    remedy: 'Send the same request again; on a slow network, with fewer events.',
  },
  RATE_LIMITED: {
    status: 429,
    title: 'Too many requests',
    retryable: true,
    cause: 'This address, tenant or subject sent more requests within a minute than its limit.',
    remedy: 'Wait for Retry-After, then send the same request again.',
  },
  TENANT_BUSY: {
    status: 503,
    title: 'Tenant busy',
    retryable: true,
    cause:
      'Too many requests of this tenant wait, or its clients have not read too many bytes of their answers.',
    remedy: 'Wait for Retry-After, then send the same request again.',
  },
  OVERLOADED: {
    status: 503,
    title: 'Overloaded',
    retryable: true,
    cause: 'The server has more work waiting than it can accept.',
    remedy: 'Wait for Retry-After, then send the same request again.',
  },
  UNAVAILABLE: {
    status: 503,
    title: 'Temporarily unavailable',
    retryable: true,
    cause: 'The database or the token issuer did not answer. Nothing of the batch was stored.',
    remedy: 'Wait for Retry-After, then send the same request again.',
  },
  COMMIT_UNKNOWN: {
    status: 503,
    title: 'Outcome unknown',
    retryable: true,
    cause:
      'The connection to the database was lost, or the time was up, during the commit: the whole batch was stored, or nothing.',
    remedy: 'Send the same batch again: events that were stored are answered as duplicate.',
  },
  INVALID_CHECKPOINT: {
    status: 400,
    title: 'Invalid checkpoint',
    retryable: false,
    cause:
      '`since` is neither a checkpoint that this server made for this tenant nor a position with its `epoch`.',
    remedy:
      'Send the last checkpoint exactly as it was received. If that fails, pull without `since`, and keep the outbox.',
  },
  CHECKPOINT_EXPIRED: {
    status: 410,
    title: 'Checkpoint expired',
    retryable: false,
    cause:
      'The checkpoint or position is older than the oldest kept tombstones of its entity types, or belongs to a history that was replaced.',
    remedy: 'Pull again without `since`, replace the local records, and keep the outbox.',
  },
  INVALID_QUERY: {
    status: 400,
    title: 'Invalid query',
    retryable: false,
    cause: 'A query parameter is unknown, repeated or out of range; `path` names it.',
    remedy: 'Correct the parameter.',
  },
  ALREADY_RESOLVED: {
    status: 409,
    title: 'Conflict already resolved',
    retryable: false,
    cause: 'The conflict was already resolved, in another way than this request asks for.',
    remedy: 'Read the conflict again: it tells how, when and by whom it was resolved.',
  },
  RESOLUTION_REFUSED: {
    status: 409,
    title: 'Resolution refused',
    retryable: false,
    cause:
      'The event cannot be applied to the record as it is now; `failure` has the code of the reason.',
    remedy:
      'The conflict stays open. If that code is retryable, send the request again later; if not, discard the conflict.',
  },
  NOT_FOUND: {
    status: 404,
    title: 'Not found',
    retryable: false,
    cause: 'This server does not have the path, or has nothing under that name.',
    remedy: 'See /docs for the paths.',
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    title: 'Method not allowed',
    retryable: false,
    cause: 'The path exists, but not for this method; Allow lists its methods.',
    remedy: 'Use one of the methods in Allow.',
  },
  INTERNAL: {
    status: 500,
    title: 'Internal error',
    retryable: true,
    cause: 'The server has an error. Nothing of the batch was stored.',
    remedy: 'Send the same request again later; report its X-Request-Id to the operator.',
  },
} as const satisfies Record<string, ProblemEntry>;

export type EventFailureCode = keyof typeof eventFailures;
export type ProblemCode = keyof typeof requestProblems;

/** The failure of one event, as a value: the other events of the batch are still decided. */
export type EventFailure = BuiltInFailure | KindRejection;

export interface BuiltInFailure {
  readonly code: EventFailureCode;
  readonly message: string;
  /** Dotted path of the field at fault, from the event's root. */
  readonly path?: string;
  /**
   * Set if the server is at fault: the kind that fails, or the version of it that the server does not have. An event
   * that waits for such an event has it too.
   */
  readonly failing?: string;
  /** Replaces the value in the table, in milliseconds. */
  readonly retryAfterMs?: number;
}

/** A failure with a code of the kind. The table of the kind has the meaning. */
interface KindRejection extends Pick<BuiltInFailure, 'message' | 'path'>, KindRetryRule {
  readonly code: string;
}

type KindRetryRule = Pick<FailureEntry, 'retryable' | 'retryAfterMs'>;

export type RetryRule = Pick<BuiltInFailureEntry, 'retryable' | 'retryAfterMs' | 'fault'>;

/** Whether the same event can succeed later, how long to wait, and whether the server is at fault. */
export function retryOf(failure: EventFailure): RetryRule {
  if ('retryable' in failure) return failure;
  const entry: BuiltInFailureEntry = eventFailures[failure.code];
  if (failure.failing === undefined) return entry;
  const retryAfterMs = failure.retryAfterMs ?? entry.retryAfterMs;
  return { retryable: true, fault: 'server', ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

/** A kind is code of its author: an error in it fails one event, and is logged for the operator. */
export function kindFailedFailure(kind: string): EventFailure {
  return { code: 'KIND_FAILED', message: `${kind} failed on this event`, failing: kind };
}

/** The member `failing` of an event that waits for one that failed: it waits for the server too, if that one does. */
export function failingKindOf(failure: EventFailure): Pick<BuiltInFailure, 'failing'> {
  const failing = 'failing' in failure ? failure.failing : undefined;
  return failing === undefined ? {} : { failing };
}

/** Members that a problem has beside those of RFC 9457. */
export interface ProblemMembers {
  readonly path?: string;
  readonly maxEvents?: number;
  readonly maxBytes?: number;
  /** With RESOLUTION_REFUSED: the code with which the event failed. */
  readonly failure?: string;
  /** In seconds; sent as Retry-After. */
  readonly retryAfter?: number;
  /** Sent as Allow. */
  readonly allow?: readonly string[];
}

/** The request failed as a whole. It can be thrown anywhere; the error handler answers it. */
export class RequestProblem extends Error {
  readonly code: ProblemCode;
  readonly members: ProblemMembers;

  constructor(code: ProblemCode, detail?: string, members: ProblemMembers = {}, cause?: unknown) {
    super(detail ?? requestProblems[code].cause, { cause });
    this.name = 'RequestProblem';
    this.code = code;
    this.members = members;
  }
}
