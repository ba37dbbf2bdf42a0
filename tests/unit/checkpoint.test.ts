import { createSecretKey, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  anchorOf,
  type Checkpoint,
  type CheckpointScope,
  createCheckpointCodec,
  markOf,
} from '../../src/protocol/checkpoint.ts';
import { fc } from './support/property.ts';

const codec = createCheckpointCodec(createSecretKey(Buffer.alloc(32, 7)));
const scope: CheckpointScope = { tenantId: 'empire7', entityTypes: ['note', 'ticket'] };
const checkpoint: Checkpoint = {
  version: 42,
  bootstrapHead: 100,
  epoch: '0199f3a0-1111-4222-8333-abcdefabcdef',
  mark: Buffer.from('0123456789abcdef', 'hex'),
};
const token = codec.encode(checkpoint, scope);

const version = fc.maxSafeNat();
const checkpoints = fc.record({
  version,
  bootstrapHead: version,
  epoch: fc.uuid(),
  mark: fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
});
const scopes = fc.record({
  tenantId: fc.string({ unit: 'grapheme' }),
  entityTypes: fc.array(fc.string()),
});

describe('a checkpoint', () => {
  test('comes back as it was given, whatever it holds', () => {
    fc.assert(
      fc.property(checkpoints, scopes, (given, of) => {
        expect(codec.decode(codec.encode(given, of), of)).toEqual(given);
      }),
    );
  });

  test('is one token that fits into a URL as it is', () => {
    expect(token).toMatch(/^[A-Za-z0-9_-]{76}$/);
    expect(codec.encode(checkpoint, scope)).toBe(token);
  });

  test.each<[string, Checkpoint, CheckpointScope]>([
    [
      'AQAAAAAAAAAqAAAAAAAAAGQBmfOgERFCIoMzq83vq83vASNFZ4mrze-IpfGeUGTDTgw8b1gxrZJu',
      checkpoint,
      scope,
    ],
    [
      'AQAf________AAABAAAAAAMBmfOgERFCIoMzq83vq83vASNFZ4mrze_6lZPcJM773E56AICtw0KJ',
      { ...checkpoint, version: Number.MAX_SAFE_INTEGER, bootstrapHead: 2 ** 40 + 3 },
      { tenantId: 'eé "7', entityTypes: [] },
    ],
  ])('%s is the one that clients already hold', (held, given, of) => {
    expect(codec.encode(given, of)).toBe(held);
  });

  test('does not show its tenant or its filter', () => {
    const bytes = Buffer.from(token, 'base64url').toString('latin1');
    for (const secret of ['empire7', 'note', 'ticket']) expect(bytes).not.toContain(secret);
  });

  test('is read by every process that has the same key', () => {
    const another = createCheckpointCodec(createSecretKey(Buffer.alloc(32, 7)));
    expect(another.decode(token, scope)).toEqual(checkpoint);
  });
});

describe('refused is', () => {
  test('a token with any one bit flipped', () => {
    const bytes = Buffer.from(token, 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(codec.decode(flipped.toString('base64url'), scope), `bit ${bit}`).toBeUndefined();
    }
  });

  test.each<[string, CheckpointScope]>([
    ['another tenant', { ...scope, tenantId: 'empire8' }],
    ['a tenant whose name goes on', { ...scope, tenantId: 'empire77' }],
    ['no filter', { ...scope, entityTypes: [] }],
    ['a wider filter', { ...scope, entityTypes: ['note', 'ticket', 'user'] }],
    ['a narrower filter', { ...scope, entityTypes: ['note'] }],
    ['one type named like two', { ...scope, entityTypes: ['note,ticket'] }],
    ['one type named like two in JSON', { ...scope, entityTypes: ['note","ticket'] }],
    ['tenant and type run together', { tenantId: 'empire7note', entityTypes: ['ticket'] }],
  ])('a token used with %s', (_what, other) => {
    expect(codec.decode(token, other)).toBeUndefined();
  });

  test('a token under another key', () => {
    const other = createCheckpointCodec(createSecretKey(Buffer.alloc(32, 8)));
    expect(other.decode(token, scope)).toBeUndefined();
  });

  test.each([
    ['nothing', ''],
    ['padding', `${token}=`],
    ['a space before it', ` ${token}`],
    ['a line end after it', `${token}\n`],
    ['a character that base64url does not know', `${token.slice(0, 10)}!${token.slice(10)}`],
    ['one character more', `${token}A`],
    ['one character less', token.slice(0, -1)],
    ['the token twice', token + token],
    ['a number', '42'],
    ['zeros of the right length', Buffer.alloc(57).toString('base64url')],
    ['noise of the right length', randomBytes(57).toString('base64url')],
  ])('%s', (_what, text) => {
    expect(codec.decode(text, scope)).toBeUndefined();
  });

  test('the same bytes in another alphabet', () => {
    // Some version's seal holds a character that the alphabets write differently.
    const tokens = Array.from({ length: 100 }, (_, at) =>
      codec.encode({ ...checkpoint, version: at }, scope),
    );
    const differing = tokens.filter((text) => /[-_]/.test(text));
    expect(differing).not.toEqual([]);
    for (const text of differing) {
      const base64 = text.replaceAll('-', '+').replaceAll('_', '/');
      expect(codec.decode(base64, scope)).toBeUndefined();
    }
  });

  test('whatever else somebody sends', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String()), (text) => {
        expect(codec.decode(text, scope)).toBeUndefined();
      }),
    );
  });
});

describe('the mark of an event', () => {
  const event = { fingerprint: Buffer.alloc(32, 1), receivedAt: 1_800_000_000_000_000 };

  test('is the one that checkpoints already hold', () => {
    expect(markOf(event).toString('hex')).toBe('893c2e70866b7d77');
    expect(markOf(undefined).toString('hex')).toBe('0000000000000000');
  });

  test('is the same for the same event and fits into a checkpoint', () => {
    expect(markOf({ ...event, fingerprint: Buffer.alloc(32, 1) })).toEqual(markOf(event));
    const marked = { ...checkpoint, mark: markOf(event) };
    expect(codec.decode(codec.encode(marked, scope), scope)).toEqual(marked);
  });

  test('differs with the content and, for the same event sent again, with the receipt', () => {
    const marks = [
      markOf(event),
      markOf({ ...event, fingerprint: Buffer.alloc(32, 2) }),
      markOf({ ...event, receivedAt: event.receivedAt + 1 }),
      markOf(undefined),
    ];
    expect(new Set(marks.map((mark) => mark.toString('hex'))).size).toBe(marks.length);
  });
});

test('a checkpoint stands on the bootstrap head until it has passed it', () => {
  expect(anchorOf({ version: 10, bootstrapHead: 100 })).toBe(100);
  expect(anchorOf({ version: 101, bootstrapHead: 100 })).toBe(101);
  expect(anchorOf({ version: 7, bootstrapHead: 0 })).toBe(7);
});
