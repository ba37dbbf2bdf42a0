import { RequestProblem } from '../domain/errors.ts';
import {
  type Checkpoint,
  type CheckpointCodec,
  eventDigest,
  referenceVersion,
} from '../protocol/checkpoint.ts';
import {
  versionToPosition,
  type PullPage,
  type PullQuery,
  positionToVersion,
} from '../protocol/pull.ts';
import { formatMicros } from '../domain/timestamp.ts';
import type { FeedCursor, FeedHead, FeedPage, FeedQuery, HeadQuery } from './feed-store.ts';
import { feedBeginning, toFeedCursor } from './cursor.ts';

/** Where a pull continues: at a checkpoint, or at a position, which has no event digest. */
export interface CheckpointPosition extends Omit<Checkpoint, 'digest'> {
  readonly digest: Buffer | undefined;
  /** The text of the checkpoint. Undefined for a position. */
  readonly token: string | undefined;
}

/** A pull whose checkpoint was verified: this server issued it to this tenant. */
export interface FeedRequest {
  readonly tenantId: string;
  readonly since: CheckpointPosition | undefined;
  readonly cursor: FeedCursor;
  readonly limit: number;
  readonly maxBytes: number;
}

/** @throws RequestProblem INVALID_CHECKPOINT for every kind of invalid checkpoint or position */
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
    const version = positionToVersion(token);
    const position = { bootstrap: null, epoch, digest: undefined, token: undefined };
    if (version !== undefined) return { version, entityTypes, ...position };
  }
  throw new RequestProblem('INVALID_CHECKPOINT');
}

/** Undefined during a bootstrap: it needs a page, whatever the head is. */
export function toHeadQuery({ tenantId, since, cursor }: FeedRequest): HeadQuery | undefined {
  if (!since || since.bootstrap || cursor.bootstrapHead > 0) return undefined;
  return { tenantId, reference: since.version };
}

/** The empty page of a pull that has seen the head. Undefined if there are newer versions. */
export function toEmptyPage(
  { cursor }: FeedRequest,
  head: FeedHead | undefined,
): FeedPage | undefined {
  if (!head || head.head !== cursor.after) return undefined;
  // The horizon does not matter, because no purged tombstone is newer than the head.
  const nothing = { records: [], hasMore: false, horizon: 0, horizons: null };
  return { ...head, ...nothing, nextReference: head.reference };
}

export function toFeedQuery({ tenantId, since, cursor, limit, maxBytes }: FeedRequest): FeedQuery {
  const reference = since ? referenceVersion(since) : 0;
  return { tenantId, ...cursor, reference, limit, maxBytes };
}

/** @throws RequestProblem CHECKPOINT_EXPIRED if the tenant's history no longer contains `since` */
export function toPullPage(
  { tenantId, since, cursor }: FeedRequest,
  page: FeedPage,
  checkpoints: CheckpointCodec,
): PullPage {
  if (since && !(isSameHistory(since, page) && hasNeededTombstones(cursor, page))) {
    throw new RequestProblem('CHECKPOINT_EXPIRED');
  }
  const last = page.records.at(-1);
  const version = page.hasMore && last ? last.version : page.head;
  const encodeNext = () => checkpoints.encode(toCheckpoint(version, cursor, page), tenantId);
  return {
    records: page.records,
    checkpoint: unchangedToken(version, since, cursor) ?? encodeNext(),
    position: versionToPosition(version),
    epoch: page.epoch,
    hasMore: page.hasMore,
    serverTime: formatMicros(page.readAt),
  };
}

/** The checkpoint of the request, if the next one is equal. Its MAC need not be computed again. */
function unchangedToken(
  version: number,
  since: CheckpointPosition | undefined,
  cursor: FeedCursor,
) {
  const isUnchanged =
    since?.version === version &&
    !since.bootstrap &&
    since.entityTypes.join() === cursor.entityTypes.join();
  return isUnchanged ? since.token : undefined;
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

/** Whether the event at the reference version is still the same. A position has no digest to compare. */
function isSameHistory(since: CheckpointPosition, page: FeedPage): boolean {
  return (
    since.epoch === page.epoch &&
    referenceVersion(since) <= page.head &&
    (since.digest === undefined || since.digest.equals(eventDigest(page.reference)))
  );
}

/** Whether no tombstone that this client needs was purged. */
function hasNeededTombstones(cursor: FeedCursor, page: FeedPage): boolean {
  const { entityTypes, after, bootstrapHead, kept, floor } = cursor;
  const hasThoseOfKept = kept.length === 0 || Math.max(after, floor) >= horizonOf(page, kept);
  return hasThoseOfKept && Math.max(after, bootstrapHead) >= horizonOf(page, entityTypes);
}

/** The version up to which tombstones of these types may have been purged. */
function horizonOf({ horizon, horizons }: FeedPage, entityTypes: readonly string[]): number {
  if (!horizons || entityTypes.length === 0) return horizon;
  return Math.max(0, ...entityTypes.map((type) => horizons.get(type) ?? 0));
}
