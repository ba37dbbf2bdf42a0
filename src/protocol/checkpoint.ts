import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import { sha256 } from '../domain/sha-256.ts';

/**
 * A position in one tenant's versions, opaque to clients.
 *
 * In clear inside the token: what a later history can contradict (then the answer is 410 and the
 * client bootstraps), and the entity types it was given for, so that a pull can ask for others.
 * Only under the MAC: the tenant, so that another tenant's checkpoint is no checkpoint at all (400).
 */
export interface Checkpoint {
  /** All changes up to and including this version have been seen. */
  readonly version: number;
  /** The entity types that the pull asked for, sorted; empty for all. */
  readonly entityTypes: readonly string[];
  /** Null once it has come to its end. */
  readonly bootstrap: Bootstrap | null;
  /** The tenant's epoch, a UUID. */
  readonly epoch: string;
  /** The digest of the event at `referenceVersion(checkpoint)`. */
  readonly digest: Buffer;
}

/** A bootstrap under way: of all types of the checkpoint, or of those by which its filter grew. */
export interface Bootstrap {
  /** The head when it began: tombstones up to it are of no use to this client. */
  readonly head: number;
  /** The types that the client had before it, sorted … */
  readonly kept: readonly string[];
  /** … and the version up to which it had them; 0 where there are none. */
  readonly floor: number;
}

export interface CheckpointCodec {
  encode(checkpoint: Checkpoint, tenantId: string): string;
  /** Undefined for whatever this codec did not make for this tenant. */
  decode(token: string, tenantId: string): Checkpoint | undefined;
}

/**
 * Where the bytes of each begin, after one of the format. Behind them stand the entity types, where
 * not all are meant, and behind those what a growing filter had: `note,ticket` or `note,ticket;41;note`.
 */
const layout = { version: 1, bootstrapHead: 9, epoch: 17, digest: 33, mac: 41, types: 57 };
const format = '02';
const digestBytes = layout.mac - layout.digest;

/** The version whose event shows that the history behind a checkpoint still stands. */
export function referenceVersion({
  version,
  bootstrap,
}: Pick<Checkpoint, 'version' | 'bootstrap'>): number {
  return Math.max(version, bootstrap?.head ?? 0);
}

/**
 * Tells the event at a version from any other that could come to stand there after a restore, even
 * from the same event sent again: its time of receipt differs.
 */
export function eventDigest(
  event: { fingerprint: Buffer; receivedAt: number } | undefined,
): Buffer {
  if (!event) return Buffer.alloc(digestBytes);
  const content = Buffer.concat([event.fingerprint, Buffer.from(String(event.receivedAt))]);
  return sha256(content).subarray(0, digestBytes);
}

/** @param key the instance's checkpoint key, the same for every process on one database */
export function createCheckpointCodec(key: KeyObject): CheckpointCodec {
  /** All in hexadecimal digits: to fill and read buffers costs more than the MAC. */
  const macOf = (body: string, types: string, tenantId: string) =>
    createHmac('sha256', key)
      .update(body, 'hex')
      .update(JSON.stringify([tenantId, types]))
      .digest('hex')
      .slice(0, 2 * (layout.types - layout.mac));

  return {
    encode(checkpoint, tenantId) {
      const { version, bootstrap, epoch, digest } = checkpoint;
      const body = `${format}${toHex(version)}${toHex(bootstrap?.head ?? 0)}${epoch.replaceAll('-', '')}${digest.toString('hex')}`;
      const types = printTypes(checkpoint);
      const token = Buffer.from(body + macOf(body, types, tenantId), 'hex');
      const whole = types === '' ? token : Buffer.concat([token, Buffer.from(types)]);
      return whole.toString('base64url');
    },

    decode(token, tenantId) {
      const bytes = Buffer.from(token, 'base64url');
      // Node skips what is not base64url, so only the exact token may pass.
      if (bytes.length < layout.types || bytes.toString('base64url') !== token) return undefined;
      const body = bytes.toString('hex', 0, layout.mac);
      const types = bytes.toString('utf8', layout.types);
      const mac = Buffer.from(macOf(body, types, tenantId), 'hex');
      if (!timingSafeEqual(bytes.subarray(layout.mac, layout.types), mac)) return undefined;
      if (!body.startsWith(format)) return undefined;
      return {
        version: Number(bytes.readBigUInt64BE(layout.version)),
        ...parseTypes(types, Number(bytes.readBigUInt64BE(layout.bootstrapHead))),
        epoch: toUuid(bytes.subarray(layout.epoch, layout.digest)),
        digest: bytes.subarray(layout.digest, layout.mac),
      };
    },
  };
}

/** No entity type holds a comma or a semicolon. */
function printTypes({ entityTypes, bootstrap }: Checkpoint): string {
  const types = entityTypes.join(',');
  if (!bootstrap || bootstrap.kept.length === 0) return types;
  return `${types};${bootstrap.floor};${bootstrap.kept.join(',')}`;
}

function parseTypes(text: string, head: number): Pick<Checkpoint, 'entityTypes' | 'bootstrap'> {
  const [types = '', floor = '0', kept = ''] = text.split(';');
  const bootstrap = head > 0 ? { head, kept: listOf(kept), floor: Number(floor) } : null;
  return { entityTypes: listOf(types), bootstrap };
}

function listOf(text: string): readonly string[] {
  return text === '' ? [] : text.split(',');
}

/** Eight bytes. */
function toHex(version: number): string {
  return version.toString(16).padStart(16, '0');
}

function toUuid(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
