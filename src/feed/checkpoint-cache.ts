import { LruMap } from 'toad-cache';
import type { Checkpoint, CheckpointCodec } from '../protocol/checkpoint.ts';

/** The maximum of cached checkpoints. They take some megabytes. */
const maxCheckpoints = 10_000;
/** The maximum length of a cached checkpoint. A filter of many entity types makes a checkpoint longer. */
const maxLength = 500;

/**
 * Decodes a checkpoint once for all polls that send it. A client sends the same checkpoint until something
 * changes, and the check of its MAC is the most expensive step of such a poll. Caching is safe: the result
 * depends only on the checkpoint, the tenant and a key that is constant for the process.
 */
export function cacheCheckpoints(codec: CheckpointCodec): CheckpointCodec {
  const cache = new LruMap<Checkpoint>(maxCheckpoints);
  return {
    encode: (checkpoint, tenantId) => codec.encode(checkpoint, tenantId),
    decode(token, tenantId) {
      // A tenant's name has no line break.
      const key = `${tenantId}\n${token}`;
      const cached = cache.get(key);
      if (cached) return cached;
      const checkpoint = codec.decode(token, tenantId);
      if (checkpoint && token.length <= maxLength) {
        cache.set(key, { ...checkpoint, digest: copyOf(checkpoint.digest) });
      }
      return checkpoint;
    },
  };
}

/** The decoded digest is a slice of a shared buffer of 8 KiB, which the cache would keep in memory. */
function copyOf(digest: Buffer): Buffer {
  const copy = Buffer.alloc(digest.length);
  digest.copy(copy);
  return copy;
}
