import { RequestProblem } from '../errors.ts';
import {
  anchorOf,
  type Checkpoint,
  type CheckpointCodec,
  type CheckpointScope,
  markOf,
} from '../protocol/checkpoint.ts';
import type { PullPage } from '../protocol/pull.ts';
import { formatMicros } from '../protocol/time.ts';
import type { FeedHead, FeedPage, FeedQuery, HeadQuery } from '../storage/store.ts';

/** What a pull asks for, once its checkpoint is known to be this server's and this scope's. */
export interface FeedRequest {
  readonly scope: CheckpointScope;
  readonly since: Checkpoint | undefined;
  /** What `since` was read from. */
  readonly token: string | undefined;
  readonly limit: number;
}

/** @throws RequestProblem INVALID_CHECKPOINT, the same for whatever is wrong with it */
export function readSince(
  token: string | undefined,
  scope: CheckpointScope,
  checkpoints: CheckpointCodec,
): Checkpoint | undefined {
  if (token === undefined) return undefined;
  const since = checkpoints.decode(token, scope);
  if (!since) throw new RequestProblem('INVALID_CHECKPOINT');
  return since;
}

/** Undefined where a page is wanted whatever the head: a bootstrap, until it has come to its end. */
export function toHeadQuery({ scope, since }: FeedRequest): HeadQuery | undefined {
  if (!since || since.bootstrapHead > 0) return undefined;
  return { tenantId: scope.tenantId, anchor: anchorOf(since) };
}

/** The page that a pull from the head would read; undefined where something came since. */
export function toEmptyPage(
  { since }: FeedRequest,
  found: FeedHead | undefined,
): FeedPage | undefined {
  if (!found || found.head !== since?.version) return undefined;
  return { ...found, records: [], hasMore: false, nextAnchor: found.anchor };
}

/** A bootstrap's first page wants no tombstone at all: each is older than the page. */
export function toFeedQuery({ scope, since, limit }: FeedRequest): FeedQuery {
  return {
    tenantId: scope.tenantId,
    entityTypes: scope.entityTypes,
    limit,
    after: since?.version ?? 0,
    bootstrapHead: since ? since.bootstrapHead : Number.MAX_SAFE_INTEGER,
  };
}

/** @throws RequestProblem CHECKPOINT_EXPIRED where the history behind `since` is gone */
export function toPullPage(
  { scope, since, token }: FeedRequest,
  page: FeedPage,
  checkpoints: CheckpointCodec,
): PullPage {
  if (since && !stillStands(since, page)) throw new RequestProblem('CHECKPOINT_EXPIRED');
  const last = page.records.at(-1);
  const position = page.hasMore && last ? last.version : page.head;
  const next = () => checkpoints.encode(toCheckpoint(position, since, page), scope);
  return {
    records: page.records,
    // At the same place it is the same one, and need not be sealed again.
    checkpoint: token !== undefined && position === since?.version ? token : next(),
    position,
    hasMore: page.hasMore,
    serverTime: formatMicros(page.readAt),
  };
}

function toCheckpoint(version: number, since: Checkpoint | undefined, page: FeedPage): Checkpoint {
  const bootstrapHead = since ? since.bootstrapHead : page.head;
  return {
    version,
    bootstrapHead: version < bootstrapHead ? bootstrapHead : 0,
    epoch: page.epoch,
    mark: markOf(page.nextAnchor),
  };
}

/** Kept tombstones reach back to it, and the event it stands on is still the same one. */
function stillStands(since: Checkpoint, page: FeedHead): boolean {
  const anchor = anchorOf(since);
  return (
    since.epoch === page.epoch &&
    anchor >= page.horizon &&
    anchor <= page.head &&
    since.mark.equals(markOf(page.anchor))
  );
}
