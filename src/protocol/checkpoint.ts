import { createHash, createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';

/**
 * A position in one tenant's versions, opaque to clients.
 *
 * In clear inside the token: what a later history can contradict, so that the answer is 410 and
 * the client bootstraps. Only under the seal: tenant and filter, so that a checkpoint used with
 * another one of either is no checkpoint at all (400).
 */
export interface Checkpoint {
  /** All changes up to and including this version have been seen. */
  readonly version: number;
  /** The head when the bootstrap began: tombstones up to it are of no use to this client. */
  readonly bootstrapHead: number;
  /** The tenant's epoch, a UUID. */
  readonly epoch: string;
  /** The mark of the event at `anchorOf(checkpoint)`. */
  readonly mark: Buffer;
}

/** What a checkpoint is bound to without showing it. */
export interface CheckpointScope {
  readonly tenantId: string;
  /** Sorted entity types; empty for all. */
  readonly entityTypes: readonly string[];
}

export interface CheckpointCodec {
  encode(checkpoint: Checkpoint, scope: CheckpointScope): string;
  /** Undefined for whatever this codec did not make for this scope. */
  decode(token: string, scope: CheckpointScope): Checkpoint | undefined;
}

/** Bytes of format, version, bootstrapHead, epoch, mark, seal. */
const layout = { format: 0, version: 1, bootstrapHead: 9, epoch: 17, mark: 33, seal: 41, end: 57 };
const format = 1;

/** The version whose event proves that the history behind a checkpoint still stands. */
export function anchorOf(position: { version: number; bootstrapHead: number }): number {
  return Math.max(position.version, position.bootstrapHead);
}

/**
 * Tells the event at a version from any other that could come to stand there after a restore, even
 * from the same event sent again: its time of receipt differs.
 */
export function markOf(event: { fingerprint: Buffer; receivedAt: number } | undefined): Buffer {
  if (!event) return Buffer.alloc(layout.seal - layout.mark);
  return createHash('sha256')
    .update(event.fingerprint)
    .update(String(event.receivedAt))
    .digest()
    .subarray(0, layout.seal - layout.mark);
}

/** @param key the instance's checkpoint key, the same for every process on one database */
export function createCheckpointCodec(key: KeyObject): CheckpointCodec {
  const sealOf = (body: Buffer, scope: CheckpointScope) =>
    createHmac('sha256', key)
      .update(body)
      .update(JSON.stringify([scope.tenantId, scope.entityTypes]))
      .digest()
      .subarray(0, layout.end - layout.seal);

  return {
    encode(checkpoint, scope) {
      const bytes = Buffer.alloc(layout.end);
      bytes.writeUInt8(format, layout.format);
      bytes.writeBigUInt64BE(BigInt(checkpoint.version), layout.version);
      bytes.writeBigUInt64BE(BigInt(checkpoint.bootstrapHead), layout.bootstrapHead);
      bytes.write(checkpoint.epoch.replaceAll('-', ''), layout.epoch, 'hex');
      checkpoint.mark.copy(bytes, layout.mark);
      sealOf(bytes.subarray(0, layout.seal), scope).copy(bytes, layout.seal);
      return bytes.toString('base64url');
    },

    decode(token, scope) {
      const bytes = Buffer.from(token, 'base64url');
      // Node skips what is not base64url, so only the exact token may pass.
      if (bytes.length !== layout.end || bytes.toString('base64url') !== token) return undefined;
      const body = bytes.subarray(0, layout.seal);
      if (!timingSafeEqual(bytes.subarray(layout.seal), sealOf(body, scope))) return undefined;
      if (bytes.readUInt8(layout.format) !== format) return undefined;
      return {
        version: Number(bytes.readBigUInt64BE(layout.version)),
        bootstrapHead: Number(bytes.readBigUInt64BE(layout.bootstrapHead)),
        epoch: toUuid(bytes.subarray(layout.epoch, layout.mark)),
        mark: bytes.subarray(layout.mark, layout.seal),
      };
    },
  };
}

function toUuid(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
