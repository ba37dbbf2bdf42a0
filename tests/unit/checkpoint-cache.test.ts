import { createSecretKey, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createCheckpointCodec } from '../../src/protocol/checkpoint.ts';
import { cacheCheckpoints } from '../../src/feed/checkpoint-cache.ts';

/** A real codec that notes what it had to read. */
function counting() {
  const codec = createCheckpointCodec(createSecretKey(randomBytes(32)));
  const read: string[] = [];
  const remembering = cacheCheckpoints({
    encode: (checkpoint, tenantId) => codec.encode(checkpoint, tenantId),
    decode(token, tenantId) {
      read.push(token);
      return codec.decode(token, tenantId);
    },
  });
  const make = (version: number, tenantId: string, entityTypes: readonly string[] = []) => {
    const epoch = '5d3b4d0a-5d3b-4d0a-8d3b-4d0a5d3b4d0a';
    const digest = Buffer.alloc(8, version % 256);
    return remembering.encode({ version, entityTypes, bootstrap: null, epoch, digest }, tenantId);
  };
  const decode = (token: string, tenantId: string) => remembering.decode(token, tenantId);
  return { read, make, decode };
}

test('a checkpoint is read once, and says the same each time', () => {
  const { read, make, decode } = counting();
  const token = make(7, 'a');
  const first = decode(token, 'a');
  expect(first).toMatchObject({ version: 7, digest: Buffer.alloc(8, 7) });
  expect(decode(token, 'a')).toEqual(first);
  expect(read).toEqual([token]);
});

test('one that is known of its own tenant is none of another', () => {
  const { make, decode } = counting();
  const token = make(7, 'a', ['note']);
  expect(decode(token, 'a')).toMatchObject({ entityTypes: ['note'] });
  expect(decode(token, 'b')).toBeUndefined();
});

test('one with a long filter is read each time, so that memory has a bound in bytes too', () => {
  const { read, make, decode } = counting();
  const token = make(7, 'a', ['a'.repeat(400)]);
  expect(decode(token, 'a')).toEqual(decode(token, 'a'));
  expect(read).toHaveLength(2);
});

test('what is no checkpoint is looked at each time', () => {
  const { read, decode } = counting();
  expect(decode('forged', 'a')).toBeUndefined();
  expect(decode('forged', 'a')).toBeUndefined();
  expect(read).toHaveLength(2);
});

test('of many checkpoints the latest are remembered, so that memory has a bound', () => {
  const { read, make, decode } = counting();
  const first = make(0, 'a');
  decode(first, 'a');
  for (let at = 1; at <= 10_000; at += 1) decode(make(at, 'a'), 'a');
  expect(read).toHaveLength(10_001);
  decode(first, 'a');
  expect(read).toHaveLength(10_002);
});
