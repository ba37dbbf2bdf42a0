import { createSecretKey, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  type Checkpoint,
  createCheckpointCodec,
  eventDigest,
  referenceVersion,
} from '../../src/protocol/checkpoint.ts';
import { fc } from './support/property.ts';

const codec = createCheckpointCodec(createSecretKey(Buffer.alloc(32, 7)));
const tenantId = 'empire7';
const checkpoint: Checkpoint = {
  version: 42,
  entityTypes: ['note', 'ticket'],
  bootstrap: null,
  epoch: '0199f3a0-1111-4222-8333-abcdefabcdef',
  digest: Buffer.from('0123456789abcdef', 'hex'),
};
const reading = { head: 100, kept: ['note'], last: { entityType: 'ticket', entityId: 't1' } };
const token = codec.encode(checkpoint, tenantId);

const version = fc.maxSafeNat();
const types = fc.array(fc.stringMatching(/^[a-z][a-z0-9.-]{0,9}$/), { maxLength: 4 });
const bootstraps = fc.record({
  head: fc.maxSafeNat().map((head) => Math.max(1, head)),
  kept: types,
  last: fc.option(
    fc.record({
      entityType: fc.stringMatching(/^[a-z][a-z0-9.-]{0,9}$/),
      entityId: fc.string({ unit: 'grapheme', minLength: 1 }),
    }),
  ),
});
const checkpoints = fc.record({
  version,
  entityTypes: types,
  bootstrap: fc.option(bootstraps),
  epoch: fc.uuid(),
  digest: fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
});

describe('a checkpoint', () => {
  test('is decoded to the same checkpoint', () => {
    fc.assert(
      fc.property(checkpoints, fc.string({ unit: 'grapheme' }), (given, of) => {
        expect(codec.decode(codec.encode(given, of), of)).toEqual(given);
      }),
    );
  });

  test('is a token that needs no encoding in a URL', () => {
    expect(token).toMatch(/^[A-Za-z0-9_-]{91}$/);
    expect(codec.encode(checkpoint, tenantId)).toBe(token);
    expect(codec.encode({ ...checkpoint, entityTypes: [] }, tenantId)).toHaveLength(76);
  });

  test.each<[string, Checkpoint, string]>([
    [
      'AwAAAAAAAAAqAAAAAAAAAAABmfOgERFCIoMzq83vq83vASNFZ4mrze8R_u2G-1xy6lWy3_N7lKq9bm90ZSx0aWNrZXQ',
      checkpoint,
      tenantId,
    ],
    [
      'AwAf________AAABAAAAAAMBmfOgERFCIoMzq83vq83vASNFZ4mrze8lPRovG-4gYVnhU3Jdr8zpOzthO8OpOyw',
      {
        ...{ ...checkpoint, version: Number.MAX_SAFE_INTEGER, entityTypes: [] },
        bootstrap: { head: 2 ** 40 + 3, kept: [], last: { entityType: 'a', entityId: 'é;,' } },
      },
      'eé "7',
    ],
    [
      'AwAAAAAAAAAqAAAAAAAAAGQBmfOgERFCIoMzq83vq83vASNFZ4mrze9eXsLGReOOyiNiEtHjbsHbbm90ZSx0aWNrZXQ7bm90ZTt0aWNrZXQ7dDE',
      { ...checkpoint, bootstrap: reading },
      tenantId,
    ],
  ])('%s is the token that clients already have', (held, given, of) => {
    expect(codec.encode(given, of)).toBe(held);
  });

  test('contains its filter in readable form, and does not contain its tenant', () => {
    const bytes = Buffer.from(token, 'base64url').toString('latin1');
    expect(bytes).toContain('note,ticket');
    expect(bytes).not.toContain(tenantId);
  });

  test('can be decoded by every process that has the same key', () => {
    const another = createCheckpointCodec(createSecretKey(Buffer.alloc(32, 7)));
    expect(another.decode(token, tenantId)).toEqual(checkpoint);
  });
});

describe('a codec refuses', () => {
  test('a token with any one bit flipped', () => {
    const bytes = Buffer.from(
      codec.encode({ ...checkpoint, bootstrap: reading }, tenantId),
      'base64url',
    );
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(codec.decode(flipped.toString('base64url'), tenantId), `bit ${bit}`).toBeUndefined();
    }
  });

  test.each([
    ['another tenant', 'empire8'],
    ['a tenant whose name has this name as its start', 'empire77'],
    ['a tenant whose name contains this name in JSON', 'empire7","note'],
    ['no tenant', ''],
  ])('a token used with %s', (_what, other) => {
    expect(codec.decode(token, other)).toBeUndefined();
  });

  test.each([
    ['no filter', ''],
    ['a larger filter', 'note,ticket,user'],
    ['a smaller filter', 'note'],
    ['a filter that was extended by a bootstrap', 'note,ticket;note;ticket;t1'],
  ])('a token whose filter was changed to %s', (_what, filter) => {
    const bytes = Buffer.from(token, 'base64url').subarray(0, 57);
    const forged = Buffer.concat([bytes, Buffer.from(filter)]);
    expect(codec.decode(forged.toString('base64url'), tenantId)).toBeUndefined();
  });

  test('a token in the format of older releases', () => {
    const older =
      'AgAAAAAAAAAqAAAAAAAAAAABmfOgERFCIoMzq83vq83vASNFZ4mrze_z1uqkLbnwQ9eeWNOwGsdTbm90ZSx0aWNrZXQ';
    expect(codec.decode(older, tenantId)).toBeUndefined();
  });

  test('a token under another key', () => {
    const other = createCheckpointCodec(createSecretKey(Buffer.alloc(32, 8)));
    expect(other.decode(token, tenantId)).toBeUndefined();
  });

  test.each([
    ['nothing', ''],
    ['padding', `${token}=`],
    ['a space before it', ` ${token}`],
    ['a line end after it', `${token}\n`],
    ['a character that is not base64url', `${token.slice(0, 10)}!${token.slice(10)}`],
    ['an additional character', `${token}A`],
    ['a missing character', token.slice(0, -1)],
    ['the token twice', token + token],
    ['a number', '42'],
    ['zeros of the right length', Buffer.alloc(57).toString('base64url')],
    ['random bytes of the right length', randomBytes(57).toString('base64url')],
  ])('%s', (_what, text) => {
    expect(codec.decode(text, tenantId)).toBeUndefined();
  });

  test('the same bytes in another alphabet', () => {
    // Some version's MAC holds a character that the alphabets write differently.
    const tokens = Array.from({ length: 100 }, (_, at) =>
      codec.encode({ ...checkpoint, version: at }, tenantId),
    );
    const differing = tokens.filter((text) => /[-_]/.test(text));
    expect(differing).not.toEqual([]);
    for (const text of differing) {
      const base64 = text.replaceAll('-', '+').replaceAll('_', '/');
      expect(codec.decode(base64, tenantId)).toBeUndefined();
    }
  });

  test('every other text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String()), (text) => {
        expect(codec.decode(text, tenantId)).toBeUndefined();
      }),
    );
  });
});

describe('the digest of an event', () => {
  const event = { keyHash: '01'.repeat(16), receivedAt: 1_800_000_000_000_000 };

  test('is the one in existing checkpoints', () => {
    expect(eventDigest(event).toString('hex')).toBe('121837149b92d192');
    expect(eventDigest(undefined).toString('hex')).toBe('0000000000000000');
  });

  test('is equal for the same event and has the size that a checkpoint needs', () => {
    expect(eventDigest({ ...event, keyHash: '01'.repeat(16) })).toEqual(eventDigest(event));
    const onEvent = { ...checkpoint, digest: eventDigest(event) };
    expect(codec.decode(codec.encode(onEvent, tenantId), tenantId)).toEqual(onEvent);
  });

  test('differs for another key, and for another time of receipt', () => {
    const digests = [
      eventDigest(event),
      eventDigest({ ...event, keyHash: '02'.repeat(16) }),
      eventDigest({ ...event, receivedAt: event.receivedAt + 1 }),
      eventDigest(undefined),
    ];
    expect(new Set(digests.map((digest) => digest.toString('hex'))).size).toBe(digests.length);
  });
});

test('the reference version of a checkpoint is the bootstrap head until the checkpoint has passed it', () => {
  const bootstrap = { head: 100, kept: [], last: null };
  expect(referenceVersion({ version: 10, bootstrap })).toBe(100);
  expect(referenceVersion({ version: 7, bootstrap: null })).toBe(7);
});
