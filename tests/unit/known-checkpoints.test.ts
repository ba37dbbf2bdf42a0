import { createSecretKey, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { type CheckpointScope, createCheckpointCodec } from '../../src/protocol/checkpoint.ts';
import { rememberCheckpoints } from '../../src/pull/known-checkpoints.ts';

const scope = (tenantId: string, ...entityTypes: string[]): CheckpointScope => ({
  tenantId,
  entityTypes,
});

/** A real codec that notes what it had to read. */
function counting() {
  const codec = createCheckpointCodec(createSecretKey(randomBytes(32)));
  const read: string[] = [];
  const remembering = rememberCheckpoints({
    encode: (checkpoint, of) => codec.encode(checkpoint, of),
    decode(token, of) {
      read.push(token);
      return codec.decode(token, of);
    },
  });
  const seal = (version: number, of: CheckpointScope) => {
    const epoch = '5d3b4d0a-5d3b-4d0a-8d3b-4d0a5d3b4d0a';
    return remembering.encode(
      { version, bootstrapHead: 0, epoch, mark: Buffer.alloc(8, version % 256) },
      of,
    );
  };
  const decode = (token: string, of: CheckpointScope) => remembering.decode(token, of);
  return { read, seal, decode };
}

test('a checkpoint is read once, and says the same each time', () => {
  const { read, seal, decode } = counting();
  const token = seal(7, scope('a'));
  const first = decode(token, scope('a'));
  expect(first).toMatchObject({ version: 7, mark: Buffer.alloc(8, 7) });
  expect(decode(token, scope('a'))).toEqual(first);
  expect(read).toEqual([token]);
});

test('one that is known in its own scope is none in another', () => {
  const { seal, decode } = counting();
  const token = seal(7, scope('a', 'note'));
  expect(decode(token, scope('a', 'note'))).toBeDefined();
  expect(decode(token, scope('b', 'note'))).toBeUndefined();
  expect(decode(token, scope('a'))).toBeUndefined();
  expect(decode(token, scope('a', 'note', 'ticket'))).toBeUndefined();
});

test('what is no checkpoint is looked at each time', () => {
  const { read, decode } = counting();
  expect(decode('forged', scope('a'))).toBeUndefined();
  expect(decode('forged', scope('a'))).toBeUndefined();
  expect(read).toHaveLength(2);
});

test('of many checkpoints the latest are remembered, so that memory has a bound', () => {
  const { read, seal, decode } = counting();
  const first = seal(0, scope('a'));
  decode(first, scope('a'));
  for (let at = 1; at <= 10_000; at += 1) decode(seal(at, scope('a')), scope('a'));
  expect(read).toHaveLength(10_001);
  decode(first, scope('a'));
  expect(read).toHaveLength(10_002);
});
