import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import { sha256 } from './sha-256.ts';

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

/** Where the bytes of each begin, after one of the format. */
const layout = { version: 1, bootstrapHead: 9, epoch: 17, mark: 33, seal: 41, end: 57 };
const format = '01';

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
  const proof = Buffer.concat([event.fingerprint, Buffer.from(String(event.receivedAt))]);
  return sha256(proof).subarray(0, layout.seal - layout.mark);
}

/** @param key the instance's checkpoint key, the same for every process on one database */
export function createCheckpointCodec(key: KeyObject): CheckpointCodec {
  /** All in hexadecimal digits: to fill and read buffers costs more than the seal. */
  const sealOf = (body: string, scope: CheckpointScope) =>
    createHmac('sha256', key)
      .update(body, 'hex')
      .update(JSON.stringify([scope.tenantId, scope.entityTypes]))
      .digest('hex')
      .slice(0, 2 * (layout.end - layout.seal));

  return {
    encode({ version, bootstrapHead, epoch, mark }, scope) {
      const body = `${format}${toHex(version)}${toHex(bootstrapHead)}${epoch.replaceAll('-', '')}${mark.toString('hex')}`;
      return Buffer.from(body + sealOf(body, scope), 'hex').toString('base64url');
    },

    decode(token, scope) {
      const bytes = Buffer.from(token, 'base64url');
      // Node skips what is not base64url, so only the exact token may pass.
      if (bytes.length !== layout.end || bytes.toString('base64url') !== token) return undefined;
      const body = bytes.toString('hex', 0, layout.seal);
      const seal = Buffer.from(sealOf(body, scope), 'hex');
      if (!timingSafeEqual(bytes.subarray(layout.seal), seal)) return undefined;
      if (!body.startsWith(format)) return undefined;
      return {
        version: Number(bytes.readBigUInt64BE(layout.version)),
        bootstrapHead: Number(bytes.readBigUInt64BE(layout.bootstrapHead)),
        epoch: toUuid(bytes.subarray(layout.epoch, layout.mark)),
        mark: bytes.subarray(layout.mark, layout.seal),
      };
    },
  };
}

/** Eight bytes. */
function toHex(version: number): string {
  return version.toString(16).padStart(16, '0');
}

function toUuid(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
