import { expect, test } from 'vitest';
import { cacheVerifiedTokens } from '../../src/http/auth/verified-tokens.ts';

function counting() {
  const verified: string[] = [];
  const identify = cacheVerifiedTokens(async ({ headers }: Bearer) => {
    if (headers.authorization === 'bad') throw new Error('bad');
    verified.push(headers.authorization);
    return { from: 0, until: Number.POSITIVE_INFINITY, name: headers.authorization };
  });
  return {
    verified,
    identify: (authorization: string) => identify({ headers: { authorization } }),
  };
}

interface Bearer {
  readonly headers: { readonly authorization: string };
}

test('a token is verified once, and each is its own', async () => {
  const { verified, identify } = counting();
  for (const name of ['a', 'b', 'a', 'b']) expect(await identify(name)).toMatchObject({ name });
  expect(verified).toEqual(['a', 'b']);
});

test('one that was refused is refused again', async () => {
  const { identify } = counting();
  await expect(identify('bad')).rejects.toThrow('bad');
  await expect(identify('bad')).rejects.toThrow('bad');
});

test('of many tokens the latest are remembered, so that memory has a bound', async () => {
  const { verified, identify } = counting();
  await identify('first');
  for (let at = 0; at < 5_000; at += 1) await identify(`token ${at}`);
  await identify('token 4999');
  expect(verified).toHaveLength(5_001);
  await identify('first');
  expect(verified).toHaveLength(5_002);
});
