import { LruMap } from 'toad-cache';
import type { Checkpoint, CheckpointCodec } from '../protocol/checkpoint.ts';

/** The latest: some megabytes. */
const maxCheckpoints = 10_000;

/**
 * Reads a checkpoint once for all the polls that bring it until something changes: to check its seal is the
 * dearest step of a poll that finds nothing. All that makes it good is in its own bytes, in the scope
 * and in a key that stays the same as long as the process does.
 */
export function rememberCheckpoints(codec: CheckpointCodec): CheckpointCodec {
  const known = new LruMap<Checkpoint>(maxCheckpoints);
  return {
    encode: (checkpoint, scope) => codec.encode(checkpoint, scope),
    decode(token, scope) {
      // Neither a tenant nor a type holds a line break.
      const key = `${scope.tenantId}\n${scope.entityTypes.join()}\n${token}`;
      const found = known.get(key);
      if (found) return found;
      const checkpoint = codec.decode(token, scope);
      if (checkpoint) known.set(key, { ...checkpoint, mark: copyOf(checkpoint.mark) });
      return checkpoint;
    },
  };
}

/** Of its own memory: else it would keep what it is cut from, eight kilobytes for as many bytes. */
function copyOf(mark: Buffer): Buffer {
  const copy = Buffer.alloc(mark.length);
  mark.copy(copy);
  return copy;
}
