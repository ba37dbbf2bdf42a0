import { LruMap } from 'toad-cache';
import type { Checkpoint, CheckpointCodec } from '../protocol/checkpoint.ts';

/** The latest: some megabytes. */
const maxCheckpoints = 10_000;
/** One with a filter of many types is longer, and would take memory by the kilobyte. */
const maxLength = 500;

/**
 * Reads a checkpoint once for all the polls that bring it until something changes: to check its MAC is
 * the dearest step of a poll that finds nothing. All that makes it good is in its own bytes, in the
 * tenant and in a key that stays the same as long as the process does.
 */
export function cacheCheckpoints(codec: CheckpointCodec): CheckpointCodec {
  const known = new LruMap<Checkpoint>(maxCheckpoints);
  return {
    encode: (checkpoint, tenantId) => codec.encode(checkpoint, tenantId),
    decode(token, tenantId) {
      // No tenant holds a line break.
      const key = `${tenantId}\n${token}`;
      const found = known.get(key);
      if (found) return found;
      const checkpoint = codec.decode(token, tenantId);
      if (checkpoint && token.length <= maxLength) {
        known.set(key, { ...checkpoint, digest: copyOf(checkpoint.digest) });
      }
      return checkpoint;
    },
  };
}

/** Of its own memory: else it would keep what it is cut from, eight kilobytes for as many bytes. */
function copyOf(digest: Buffer): Buffer {
  const copy = Buffer.alloc(digest.length);
  digest.copy(copy);
  return copy;
}
