import { createSecretKey, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createCheckpointCodec } from '../../src/protocol/checkpoint.ts';
import { cacheCheckpoints } from '../../src/feed/checkpoint-cache.ts';

/** A cache around a real codec. `decoded` has the checkpoints that the codec had to decode. */
function countDecoding() {
  const codec = createCheckpointCodec(createSecretKey(randomBytes(32)));
  const decoded: string[] = [];
  const cache = cacheCheckpoints({
    encode: (checkpoint, tenantId) => codec.encode(checkpoint, tenantId),
    decode(token, tenantId) {
      decoded.push(token);
      return codec.decode(token, tenantId);
    },
  });
  const encode = (version: number, tenantId: string, entityTypes: readonly string[] = []) => {
    const epoch = '5d3b4d0a-5d3b-4d0a-8d3b-4d0a5d3b4d0a';
    const digest = Buffer.alloc(8, version % 256);
    return cache.encode({ version, entityTypes, bootstrap: null, epoch, digest }, tenantId);
  };
  const decode = (token: string, tenantId: string) => cache.decode(token, tenantId);
  return { decoded, encode, decode };
}

test('a checkpoint is decoded once, and the result is the same each time', () => {
  const { decoded, encode, decode } = countDecoding();
  const token = encode(7, 'a');
  const first = decode(token, 'a');
  expect(first).toMatchObject({ version: 7, digest: Buffer.alloc(8, 7) });
  expect(decode(token, 'a')).toEqual(first);
  expect(decoded).toEqual([token]);
});

test('a cached checkpoint of one tenant is invalid for another tenant', () => {
  const { encode, decode } = countDecoding();
  const token = encode(7, 'a', ['note']);
  expect(decode(token, 'a')).toMatchObject({ entityTypes: ['note'] });
  expect(decode(token, 'b')).toBeUndefined();
});

test('a checkpoint with a long filter is not cached', () => {
  const { decoded, encode, decode } = countDecoding();
  const token = encode(7, 'a', ['a'.repeat(400)]);
  expect(decode(token, 'a')).toEqual(decode(token, 'a'));
  expect(decoded).toHaveLength(2);
});

test('an invalid checkpoint is not cached', () => {
  const { decoded, decode } = countDecoding();
  expect(decode('forged', 'a')).toBeUndefined();
  expect(decode('forged', 'a')).toBeUndefined();
  expect(decoded).toHaveLength(2);
});

test('the cache keeps a maximum of checkpoints, the most recent ones', () => {
  const { decoded, encode, decode } = countDecoding();
  const first = encode(0, 'a');
  decode(first, 'a');
  for (let at = 1; at <= 10_000; at += 1) decode(encode(at, 'a'), 'a');
  expect(decoded).toHaveLength(10_001);
  decode(first, 'a');
  expect(decoded).toHaveLength(10_002);
});
