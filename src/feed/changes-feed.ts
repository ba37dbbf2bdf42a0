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
import type { FeedCursor, FeedHead, FeedPage, FeedQuery } from './feed-store.ts';
import { toFeedCursor } from './cursor.ts';

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

/** Whether the head alone may answer the pull: a bootstrap needs a page, whatever the head is. */
export function mayBeEmpty({ since, cursor }: FeedRequest): boolean {
  return since !== undefined && !since.bootstrap && !cursor.bootstrap;
}

/** The empty page of a pull that has seen the head. Undefined if there are newer versions. */
export function toEmptyPage(
  { cursor }: FeedRequest,
  head: FeedHead | undefined,
): FeedPage | undefined {
  if (!head || head.head !== cursor.after) return undefined;
  // The horizon does not matter, because no purged tombstone is newer than the head.
  const nothing = {
    ...{ records: [], hasMore: false, hasMoreRecords: false, horizon: 0, horizons: null },
  };
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
  const next = nextCheckpoint(cursor, page);
  return {
    records: page.records,
    checkpoint: unchangedToken(next, since) ?? checkpoints.encode(next, tenantId),
    // A client that goes on from a position, and not from the checkpoint, begins a bootstrap anew.
    position: versionToPosition(next.bootstrap ? 0 : next.version),
    epoch: page.epoch,
    hasMore: page.hasMore,
    serverTime: formatMicros(page.readAt),
  };
}

/** The checkpoint of the request, if the next one is equal. Its MAC need not be computed again. */
function unchangedToken(next: Checkpoint, since: CheckpointPosition | undefined) {
  const isUnchanged =
    since?.version === next.version &&
    !since.bootstrap &&
    !next.bootstrap &&
    since.entityTypes.join() === next.entityTypes.join();
  return isUnchanged ? since.token : undefined;
}

function nextCheckpoint(cursor: FeedCursor, page: FeedPage): Checkpoint {
  const { entityTypes, after, bootstrap } = cursor;
  const { epoch } = page;
  const digest = eventDigest(page.nextReference);
  const last = page.records.at(-1);
  if (!bootstrap || !bootstrap.last) {
    const version = page.hasMore && last ? last.version : page.head;
    const isOver = !bootstrap || version >= bootstrap.head;
    return { version, entityTypes, epoch, digest, bootstrap: isOver ? null : bootstrap };
  }
  const head = Math.min(bootstrap.head, page.head);
  const { kept } = bootstrap;
  if (page.hasMoreRecords && last) {
    const { entityType, entityId } = last;
    const reading = { head, kept, last: { entityType, entityId } };
    return { version: after, entityTypes, epoch, digest, bootstrap: reading };
  }
  const isOver = kept.length === 0 || after >= head;
  const version = isOver ? Math.max(after, head) : after;
  return {
    ...{ version, entityTypes, epoch, digest },
    bootstrap: isOver ? null : { head, kept, last: null },
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
function hasNeededTombstones(
  { entityTypes, after, bootstrap }: FeedCursor,
  page: FeedPage,
): boolean {
  if (!bootstrap) return after >= horizonOf(page, entityTypes);
  const { kept, head } = bootstrap;
  const hasThoseOfKept = kept.length === 0 || after >= horizonOf(page, kept);
  return hasThoseOfKept && Math.max(after, head) >= horizonOf(page, entityTypes);
}

/** The version up to which tombstones of these types may have been purged. */
function horizonOf({ horizon, horizons }: FeedPage, entityTypes: readonly string[]): number {
  if (!horizons || entityTypes.length === 0) return horizon;
  return Math.max(0, ...entityTypes.map((type) => horizons.get(type) ?? 0));
}
