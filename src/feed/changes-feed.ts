import { RequestProblem } from '../domain/errors.ts';
import {
  type Checkpoint,
  type CheckpointCodec,
  eventDigest,
  referenceVersion,
} from '../protocol/checkpoint.ts';
import { entityTagOf, type PullPage, type PullQuery, versionOf } from '../protocol/pull.ts';
import { formatMicros } from '../domain/timestamp.ts';
import type { FeedCursor, FeedHead, FeedPage, FeedQuery, HeadQuery } from './feed-store.ts';
import { feedBeginning, toFeedCursor } from './cursor.ts';

/** What a pull goes on from: a checkpoint, or a position, which says nothing of the event it stands on. */
export interface CheckpointPosition extends Omit<Checkpoint, 'digest'> {
  readonly digest: Buffer | undefined;
  /** The checkpoint as it came; undefined for a position. */
  readonly token: string | undefined;
}

/** What a pull asks for, once its checkpoint is known to be this server's and this tenant's. */
export interface FeedRequest {
  readonly tenantId: string;
  readonly since: CheckpointPosition | undefined;
  readonly cursor: FeedCursor;
  readonly limit: number;
  readonly maxBytes: number;
}

/** @throws RequestProblem INVALID_CHECKPOINT, the same for whatever is wrong with it */
export function toFeedRequest(
  query: PullQuery,
  tenantId: string,
  maxBytes: number,
  checkpoints: CheckpointCodec,
): FeedRequest {
  const { limit, entityTypes = [] } = query;
  const since = readSince(query, tenantId, checkpoints);
  return { tenantId, since, cursor: toFeedCursor(since, entityTypes), limit, maxBytes };
}

function readSince(
  { since: token, epoch, entityTypes = [] }: PullQuery,
  tenantId: string,
  checkpoints: CheckpointCodec,
): CheckpointPosition | undefined {
  if (token === undefined) return undefined;
  if (epoch === undefined) {
    const checkpoint = checkpoints.decode(token, tenantId);
    if (checkpoint) return { ...checkpoint, token };
  } else {
    const version = versionOf(token);
    const position = { bootstrap: null, epoch, digest: undefined, token: undefined };
    if (version !== undefined) return { version, entityTypes, ...position };
  }
  throw new RequestProblem('INVALID_CHECKPOINT');
}

/** Undefined where a page is wanted whatever the head: a bootstrap, until it has come to its end. */
export function toHeadQuery({ tenantId, since, cursor }: FeedRequest): HeadQuery | undefined {
  if (!since || since.bootstrap || cursor.bootstrapHead > 0) return undefined;
  return { tenantId, reference: since.version };
}

/** The page that a pull from the head would read; undefined where something came since. */
export function toEmptyPage(
  { cursor }: FeedRequest,
  found: FeedHead | undefined,
): FeedPage | undefined {
  if (!found || found.head !== cursor.after) return undefined;
  // No tombstone that was purged is later than the head.
  const nothing = { records: [], hasMore: false, horizon: 0, horizons: null };
  return { ...found, ...nothing, nextReference: found.reference };
}

export function toFeedQuery({ tenantId, since, cursor, limit, maxBytes }: FeedRequest): FeedQuery {
  const reference = since ? referenceVersion(since) : 0;
  return { tenantId, ...cursor, reference, limit, maxBytes };
}

/** @throws RequestProblem CHECKPOINT_EXPIRED where the history behind `since` is gone */
export function toPullPage(
  { tenantId, since, cursor }: FeedRequest,
  page: FeedPage,
  checkpoints: CheckpointCodec,
): PullPage {
  if (since && !(stillStands(since, page) && hasItsTombstones(cursor, page))) {
    throw new RequestProblem('CHECKPOINT_EXPIRED');
  }
  const last = page.records.at(-1);
  const version = page.hasMore && last ? last.version : page.head;
  const next = () => checkpoints.encode(toCheckpoint(version, cursor, page), tenantId);
  return {
    records: page.records,
    checkpoint: sameToken(version, since, cursor) ?? next(),
    position: entityTagOf(version),
    epoch: page.epoch,
    hasMore: page.hasMore,
    serverTime: formatMicros(page.readAt),
  };
}

/** At the same place for the same types it is the same one, and its MAC need not be made again. */
function sameToken(version: number, since: CheckpointPosition | undefined, cursor: FeedCursor) {
  const isSame =
    since?.version === version &&
    !since.bootstrap &&
    since.entityTypes.join() === cursor.entityTypes.join();
  return isSame ? since.token : undefined;
}

function toCheckpoint(version: number, cursor: FeedCursor, page: FeedPage): Checkpoint {
  const { entityTypes, bootstrapHead, kept, floor } = cursor;
  const head = bootstrapHead === feedBeginning ? page.head : bootstrapHead;
  return {
    version,
    entityTypes,
    bootstrap: version < head ? { head, kept, floor } : null,
    epoch: page.epoch,
    digest: eventDigest(page.nextReference),
  };
}

/** The event that it stands on is still the same one, as far as it says which that was. */
function stillStands(since: CheckpointPosition, page: FeedPage): boolean {
  return (
    since.epoch === page.epoch &&
    referenceVersion(since) <= page.head &&
    (since.digest === undefined || since.digest.equals(eventDigest(page.reference)))
  );
}

/** No tombstone that this client needs was purged. */
function hasItsTombstones(cursor: FeedCursor, page: FeedPage): boolean {
  const { entityTypes, after, bootstrapHead, kept, floor } = cursor;
  const hasKept = kept.length === 0 || Math.max(after, floor) >= horizonOf(page, kept);
  return hasKept && Math.max(after, bootstrapHead) >= horizonOf(page, entityTypes);
}

/** Up to which version tombstones of these types may be gone. */
function horizonOf({ horizon, horizons }: FeedPage, entityTypes: readonly string[]): number {
  if (!horizons || entityTypes.length === 0) return horizon;
  return Math.max(0, ...entityTypes.map((type) => horizons.get(type) ?? 0));
}
