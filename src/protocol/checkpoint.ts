import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import { sha256 } from '../domain/fingerprint.ts';
import type { EntityRef } from '../domain/record.ts';

/**
 * A position in the versions of one tenant. It is opaque to clients.
 *
 * The token contains everything that a later history can contradict (then the answer is 410 and the client
 * bootstraps), and the entity types that it was given for, so that a pull can ask for other types. The MAC also covers
 * the tenant, which the token does not contain: the checkpoint of another tenant is invalid (400).
 */
export interface Checkpoint {
  /** All changes up to and including this version have been seen. During a bootstrap: of the kept types. */
  readonly version: number;
  /** The entity types that the pull asked for, sorted; empty for all. */
  readonly entityTypes: readonly string[];
  /** Null after the bootstrap is complete. */
  readonly bootstrap: Bootstrap | null;
  /** The tenant's epoch, a UUID. */
  readonly epoch: string;
  /** The digest of the event at `referenceVersion(checkpoint)`. */
  readonly digest: Buffer;
}

/**
 * A bootstrap that is not complete yet: of all types of the checkpoint, or of those that were added to its filter. It
 * first reads the records in the order of their keys, and then what changed meanwhile.
 */
export interface Bootstrap {
  /** The head when the bootstrap started: this client does not need tombstones up to it. */
  readonly head: number;
  /** The entity types that the client had before the bootstrap, sorted: up to the version of the checkpoint. */
  readonly kept: readonly string[];
  /** The last record that was read. Null once all records were read. */
  readonly last: EntityRef | null;
}

export interface CheckpointCodec {
  encode(checkpoint: Checkpoint, tenantId: string): string;
  /** Undefined for a text that this codec did not make for this tenant. */
  decode(token: string, tenantId: string): Checkpoint | undefined;
}

/**
 * The offset of each field; byte 0 is the format. A text follows unless it is empty: the entity types, and during a
 * bootstrap also the kept types and the last record, as in `note,ticket` or `note,ticket;note;ticket;t1`.
 */
const layout = { version: 1, bootstrapHead: 9, epoch: 17, digest: 33, mac: 41, types: 57 };
const format = '03';
const digestBytes = layout.mac - layout.digest;

/** The version whose event proves that the history of a checkpoint was not replaced. */
export function referenceVersion({
  version,
  bootstrap,
}: Pick<Checkpoint, 'version' | 'bootstrap'>): number {
  return Math.max(version, bootstrap?.head ?? 0);
}

/**
 * Identifies the event at a version. After a restore, another event can get the version, or the same event sent again;
 * its time of receipt then differs.
 */
export function eventDigest(event: { keyHash: string; receivedAt: number } | undefined): Buffer {
  if (!event) return Buffer.alloc(digestBytes);
  return sha256(`${event.keyHash}${event.receivedAt}`).subarray(0, digestBytes);
}

/** @param key the instance's checkpoint key, the same for every process on one database */
export function createCheckpointCodec(key: KeyObject): CheckpointCodec {
  /** Works on hexadecimal digits, because filling and reading buffers takes longer than the MAC itself. */
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
      const types = printTexts(checkpoint);
      const token = Buffer.from(body + macOf(body, types, tenantId), 'hex');
      const whole = types === '' ? token : Buffer.concat([token, Buffer.from(types)]);
      return whole.toString('base64url');
    },

    decode(token, tenantId) {
      const bytes = Buffer.from(token, 'base64url');
      // Node ignores characters that are not base64url, so the token is compared with its own encoding.
      if (bytes.length < layout.types || bytes.toString('base64url') !== token) return undefined;
      const body = bytes.toString('hex', 0, layout.mac);
      const types = bytes.toString('utf8', layout.types);
      const mac = Buffer.from(macOf(body, types, tenantId), 'hex');
      if (!timingSafeEqual(bytes.subarray(layout.mac, layout.types), mac)) return undefined;
      if (!body.startsWith(format)) return undefined;
      return {
        version: Number(bytes.readBigUInt64BE(layout.version)),
        ...parseTexts(types, Number(bytes.readBigUInt64BE(layout.bootstrapHead))),
        epoch: toUuid(bytes.subarray(layout.epoch, layout.digest)),
        digest: bytes.subarray(layout.digest, layout.mac),
      };
    },
  };
}

/** No entity type contains a comma or a semicolon. An id may: it comes last. */
function printTexts({ entityTypes, bootstrap }: Checkpoint): string {
  const types = entityTypes.join(',');
  if (!bootstrap) return types;
  const { kept, last } = bootstrap;
  return [types, kept.join(','), ...(last ? [last.entityType, last.entityId] : [])].join(';');
}

function parseTexts(text: string, head: number): Pick<Checkpoint, 'entityTypes' | 'bootstrap'> {
  const [types = '', kept = '', entityType, ...id] = text.split(';');
  const last = entityType === undefined ? null : { entityType, entityId: id.join(';') };
  const bootstrap = head > 0 ? { head, kept: listOf(kept), last } : null;
  return { entityTypes: listOf(types), bootstrap };
}

function listOf(text: string): readonly string[] {
  return text === '' ? [] : text.split(',');
}

/** Eight bytes, in hexadecimal digits. */
function toHex(version: number): string {
  return version.toString(16).padStart(16, '0');
}

function toUuid(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
