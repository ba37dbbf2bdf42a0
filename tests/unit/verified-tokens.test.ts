import { expect, test } from 'vitest';
import { cacheVerifiedTokens } from '../../src/http/auth/auth.ts';

function countVerifications() {
  const verified: string[] = [];
  const identify = cacheVerifiedTokens(async ({ headers }: WithAuthorization) => {
    if (headers.authorization === 'bad') throw new Error('bad');
    verified.push(headers.authorization);
    return { from: 0, until: Number.POSITIVE_INFINITY, name: headers.authorization };
  });
  return {
    verified,
    identify: (authorization: string) => identify({ headers: { authorization } }),
  };
}

interface WithAuthorization {
  readonly headers: { readonly authorization: string };
}

test('each token is verified once, and each has its own result', async () => {
  const { verified, identify } = countVerifications();
  for (const name of ['a', 'b', 'a', 'b']) expect(await identify(name)).toMatchObject({ name });
  expect(verified).toEqual(['a', 'b']);
});

test('a token that was refused is refused again', async () => {
  const { identify } = countVerifications();
  await expect(identify('bad')).rejects.toThrow('bad');
  await expect(identify('bad')).rejects.toThrow('bad');
});

test('the cache keeps a maximum of tokens, the most recent ones', async () => {
  const { verified, identify } = countVerifications();
  await identify('first');
  for (let at = 0; at < 5_000; at += 1) await identify(`token ${at}`);
  await identify('token 4999');
  expect(verified).toHaveLength(5_001);
  await identify('first');
  expect(verified).toHaveLength(5_002);
});
