/**
 * The closed table of everything Landfall refuses, and what a client should do about it.
 * `openapi.yaml` and `docs/errors.md` are printed from it.
 */

/** What a failure code means, for the client and for the page that documents it. */
export interface FailureEntry {
  /** Whether sending the same event again, unchanged, can succeed. */
  readonly retryable: boolean;
  /** How long a client should wait before it does, in milliseconds. */
  readonly retryAfterMs?: number;
  readonly cause: string;
  readonly remedy: string;
}

/** A failure of Landfall's own table. */
export interface BuiltInFailureEntry extends FailureEntry {
  /** The server has to be mended: the client keeps the event, and counts no try. */
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
  'Keep the event, show it as waiting for the server, and send it again after `retryAfterMs`, for 30 days; count no try.';

/** Why one event of a batch was not processed. The request itself still answers 200. */
export const eventFailures = {
  INVALID_EVENT: {
    retryable: false,
    cause:
      'A field around the payload is missing, unknown, malformed or there twice; `path` names it.',
    remedy: 'Correct the event. It was not stored, so it may keep its identityKey.',
  },
  INVALID_PAYLOAD: {
    retryable: false,
    cause:
      "The payload does not match its kind's schema, or nests deeper than 32 levels from the event, or has a field that would set a prototype (`__proto__`, `constructor.prototype`); `path` names the field.",
    remedy: 'Correct the payload. It was not stored, so it may keep its identityKey.',
  },
  UNKNOWN_KIND: {
    retryable: true,
    retryAfterMs: 30_000,
    fault: 'server',
    cause: 'This server has no such kind: it is older than the client, or the kind is misspelt.',
    remedy: `${keepForServer} Operator: deploy the kind before the clients that send it.`,
  },
  UNSUPPORTED_VERSION: {
    retryable: true,
    retryAfterMs: 30_000,
    fault: 'server',
    cause: 'The payload is of a newer version than this server knows of the kind.',
    remedy: `${keepForServer} Operator: deploy the server before the clients; older versions stay accepted.`,
  },
  INVALID_TEXT: {
    retryable: false,
    cause:
      'A text holds U+0000, half of a surrogate pair or bytes that are not UTF-8, which no database text can keep.',
    remedy: 'Remove the character, or encode it as UTF-8; `path` names the field.',
  },
  INVALID_NUMBER: {
    retryable: false,
    cause: 'A number is not finite, or is an integer beyond 2^53-1 and would change silently.',
    remedy: 'Send large integers as text; `path` names the field.',
  },
  INVALID_TIMESTAMP: {
    retryable: false,
    cause: '`occurredAt` is not an RFC 3339 time with a zone in the years 1900 to 2199.',
    remedy: 'Send UTC with a trailing Z, or leave the field out: the time of receipt then counts.',
  },
  EVENT_TOO_LARGE: {
    retryable: false,
    cause: 'The event is larger than MAX_EVENT_BYTES.',
    remedy: 'Split it, or store large content elsewhere and send a reference.',
  },
  EVENT_TOO_OLD: {
    retryable: false,
    cause: 'The event happened longer ago than MAX_EVENT_AGE, which this server sets.',
    remedy: 'Show it to the user; the server will not take it.',
  },
  NOT_FOUND: {
    retryable: true,
    retryAfterMs: 30_000,
    cause: 'The entity has never been created. Its create may still be on its way.',
    remedy: 'Keep the event and send it again later.',
  },
  IDENTITY_KEY_REUSED: {
    retryable: false,
    cause: 'Another event with this identityKey, but other content, is already stored.',
    remedy:
      '`stored` says what is there. Where that is this action, it is done: ask /api/sync/receipts when in doubt. Only another action takes a new key.',
  },
  CONFLICT: {
    retryable: false,
    cause: 'The record has changed since the version that this edit was made on.',
    remedy: 'Show `current` to the user or merge with it, and send the result as a new event.',
  },
  BLOCKED: {
    retryable: true,
    retryAfterMs: 1_000,
    cause: 'An earlier event that this one depends on has not been accepted yet.',
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
    cause: 'Another event already took this sequence number of the entity.',
    remedy: 'Pull, number the event anew, and send it under a new identityKey.',
  },
  BATCH_ABORTED: {
    retryable: true,
    cause: 'Another event of this atomic batch failed, so nothing of the batch was stored.',
    remedy: 'Mend or remove the event that failed and send the batch again.',
  },
  KIND_FAILED: {
    retryable: true,
    retryAfterMs: 30_000,
    fault: 'server',
    cause:
      "The kind's own code failed on this event: its policy, an upcast of the payload or of a record that it needs.",
    remedy: `${keepForServer} Operator: the fault is in the log as \`kind.failed\`.`,
  },
  NOT_OWNER: {
    retryable: false,
    cause: "The event acts on something that is not, or no longer, its sender's.",
    remedy: 'Drop the event and pull: ownership may have changed while the client was away.',
  },
  WRONG_ACCOUNT: {
    retryable: false,
    cause: 'The event names another `tenant` or `subject` than the token; `path` says which.',
    remedy: 'Keep the event, and send it with a token of that account.',
  },
  NOT_ALLOWED: {
    retryable: false,
    cause: 'The token lacks the scope that this kind needs; `message` names it.',
    remedy: 'Send it with a token that has the scope.',
  },
} as const satisfies Record<string, BuiltInFailureEntry>;

/** Why a whole request was refused, as `application/problem+json` (RFC 9457). */
export const requestProblems = {
  AUTH_REQUIRED: {
    status: 401,
    title: 'Authentication required',
    retryable: false,
    cause: 'No `Authorization: Bearer` header.',
    remedy: 'Sign in, then send the same request again. Nothing was decided: keep the queue.',
  },
  TOKEN_INVALID: {
    status: 401,
    title: 'Token refused',
    retryable: false,
    cause: 'The token is malformed, expired, not for this service, or not signed by its issuer.',
    remedy: 'Fetch a new token, then send the same request again. Keep the queue.',
  },
  TENANT_REQUIRED: {
    status: 403,
    title: 'Token names no tenant',
    retryable: false,
    cause: 'The tenant claim is missing, empty, too long, or not a text.',
    remedy: 'Have the issuer add the claim named by JWT_TENANT_CLAIM.',
  },
  FORBIDDEN: {
    status: 403,
    title: 'Scope missing',
    retryable: false,
    cause: "The token's `scope` does not allow this call.",
    remedy: 'Request a token with the scope named in `detail`.',
  },
  INVALID_JSON: {
    status: 400,
    title: 'Body is not JSON',
    retryable: false,
    cause:
      'The body is empty, truncated or not JSON, or a field outside its events is there twice or would set a prototype.',
    remedy: 'Send one JSON document.',
  },
  INVALID_UTF8: {
    status: 400,
    title: 'Body is not UTF-8',
    retryable: false,
    cause: 'The body holds bytes that are not UTF-8, and not in a text of one of its events.',
    remedy: 'Encode the body as UTF-8.',
  },
  TOO_DEEP: {
    status: 400,
    title: 'Body is nested too deeply',
    retryable: false,
    cause: 'The JSON outside the events nests deeper than 32 levels.',
    remedy: 'Flatten what lies outside the events.',
  },
  INVALID_ENVELOPE: {
    status: 400,
    title: 'Invalid request body',
    retryable: false,
    cause: 'A field of the request (not of one event) is missing, unknown or malformed.',
    remedy: 'Correct the field named in `path`.',
  },
  EMPTY_BATCH: {
    status: 400,
    title: 'No events',
    retryable: false,
    cause: '`events` is empty.',
    remedy: 'Send at least one event, or nothing at all.',
  },
  BATCH_TOO_LARGE: {
    status: 413,
    title: 'Too many events',
    retryable: false,
    cause:
      'The batch holds more events than `maxEvents`, or is more work than one transaction may be.',
    remedy: 'Split the batch into batches of at most `maxEvents`, keeping the order.',
  },
  BODY_TOO_LARGE: {
    status: 413,
    title: 'Body too large',
    retryable: false,
    cause: 'The body, as it was sent or after decompression, is larger than `maxBytes`.',
    remedy: 'Send fewer events a request.',
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
    cause: 'The body is compressed in a way this server does not read.',
    remedy: 'Use gzip, deflate, br or zstd, or none.',
  },
  INVALID_BODY: {
    status: 400,
    title: 'Body could not be read',
    retryable: false,
    cause: 'The body is not what its Content-Encoding or Content-Length says.',
    remedy: 'Send the request again; if it fails again, correct the encoder.',
  },
  MALFORMED_REQUEST: {
    status: 400,
    title: 'Not an HTTP request',
    retryable: false,
    cause: 'The request line, a header or the framing of the body breaks the rules of HTTP.',
    remedy: 'Correct the client or the proxy that wrote it. The connection is closed.',
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
    title: 'Request came too slowly',
    retryable: true,
    cause: 'The headers did not arrive within 15 seconds, or the whole request within 30.',
    remedy: 'Send the same request again, with fewer events where the network is slow.',
  },
  RATE_LIMITED: {
    status: 429,
    title: 'Too many requests',
    retryable: true,
    cause: 'This address, tenant or subject sent more requests within a minute than it may.',
    remedy: 'Wait for Retry-After, then send the same request again.',
  },
  TENANT_BUSY: {
    status: 503,
    title: 'Tenant busy',
    retryable: true,
    cause: 'Too many requests of this tenant wait already, or too much of answers it has not read.',
    remedy: 'Wait for Retry-After, then send the same request again.',
  },
  OVERLOADED: {
    status: 503,
    title: 'Overloaded',
    retryable: true,
    cause: 'More work waits than this server can take on.',
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
      'The connection broke, or time was up, while the commit was under way: all was stored, or nothing.',
    remedy: 'Send the same batch again: what was stored answers as duplicate.',
  },
  INVALID_CHECKPOINT: {
    status: 400,
    title: 'Invalid checkpoint',
    retryable: false,
    cause:
      '`since` is not a checkpoint of this tenant from this server, nor a position with its `epoch`.',
    remedy: 'Use the last checkpoint as received; else pull without `since`, and keep the outbox.',
  },
  CHECKPOINT_EXPIRED: {
    status: 410,
    title: 'Checkpoint expired',
    retryable: false,
    cause:
      'The checkpoint or position is older than the kept tombstones of its entity types, or of a history that was replaced.',
    remedy: 'Pull again without `since`, replace the local records, keep the outbox.',
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
    cause: 'The conflict was resolved before, in another way than this request asks for.',
    remedy: 'Read the conflict again to see how, when and by whom.',
  },
  RESOLUTION_REFUSED: {
    status: 409,
    title: 'Resolution refused',
    retryable: false,
    cause: "The event cannot be applied on top of today's record; `failure` has its code.",
    remedy:
      'The conflict stays open: ask again later where that code is retryable; else discard it.',
  },
  NOT_FOUND: {
    status: 404,
    title: 'Not found',
    retryable: false,
    cause: 'This server has no such path, or nothing under that name.',
    remedy: 'See /docs for the paths.',
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    title: 'Method not allowed',
    retryable: false,
    cause: 'The path exists, but not for this method; Allow lists those it has.',
    remedy: 'Use one of them.',
  },
  INTERNAL: {
    status: 500,
    title: 'Internal error',
    retryable: true,
    cause: 'A fault of the server. Nothing of the batch was stored.',
    remedy: 'Send the same request again later; tell the operator its X-Request-Id.',
  },
} as const satisfies Record<string, ProblemEntry>;

export type EventFailureCode = keyof typeof eventFailures;
export type ProblemCode = keyof typeof requestProblems;

/** One event's failure, as a value: the rest of the batch goes on. */
export type EventFailure = BuiltInFailure | KindRejection;

export interface BuiltInFailure {
  readonly code: EventFailureCode;
  readonly message: string;
  /** Dotted path of the field at fault, from the event's root. */
  readonly path?: string;
  /**
   * What fails, where the server is at fault: a kind, or a version of one that it does not know. Also of
   * an event that only waits for such a one.
   */
  readonly failing?: string;
  /** Instead of what the table says, in milliseconds. */
  readonly retryAfterMs?: number;
}

/** A failure with a code of the kind's own, whose table says what it means. */
interface KindRejection extends Pick<BuiltInFailure, 'message' | 'path'>, KindRetryRule {
  readonly code: string;
}

type KindRetryRule = Pick<FailureEntry, 'retryable' | 'retryAfterMs'>;

export type RetryRule = Pick<BuiltInFailureEntry, 'retryable' | 'retryAfterMs' | 'fault'>;

/** Whether the same event can succeed later, how long to wait, and whether for the server. */
export function retryOf(failure: EventFailure): RetryRule {
  if ('retryable' in failure) return failure;
  const entry: BuiltInFailureEntry = eventFailures[failure.code];
  if (failure.failing === undefined) return entry;
  const retryAfterMs = failure.retryAfterMs ?? entry.retryAfterMs;
  return { retryable: true, fault: 'server', ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

/** Members that a problem carries beside RFC 9457's own. */
export interface ProblemMembers {
  readonly path?: string;
  readonly maxEvents?: number;
  readonly maxBytes?: number;
  /** With RESOLUTION_REFUSED: the code of the event that could not be applied. */
  readonly failure?: string;
  /** Seconds; answered as Retry-After. */
  readonly retryAfter?: number;
  /** Answered as Allow. */
  readonly allow?: readonly string[];
}

/** The request failed as a whole. Thrown anywhere, answered by the error handler. */
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
