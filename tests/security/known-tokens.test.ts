import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { forge, goodClaims, hmac } from './forgeries.ts';
import { pullWith } from './issuer.ts';

const secret = 'the only secret of this test, at least 32 bytes';
const signer = hmac(secret);
const second = 1_000;
const inSeconds = (offset: number) => Math.floor(Date.now() / second) + offset;

let service: TestApp;
let now: number;
beforeEach(async () => {
  service = await startApp({ env: { JWT_SECRET: secret } });
  now = Date.now();
  vi.useFakeTimers({ toFake: ['Date'], now });
});
afterEach(async () => {
  vi.useRealTimers();
  await service.close();
});

/** Moves only the clock. */
function advanceClock(milliseconds: number): void {
  now += milliseconds;
  vi.setSystemTime(now);
}

const pull = (claims: object) => pullWith(service, signer, { ...goodClaims, ...claims });

describe('a cached token is checked again', () => {
  test('for its expiry, with half a minute of tolerance', async () => {
    const claims = { exp: inSeconds(60) };
    expect(await pull(claims)).toBe('200');
    advanceClock(85 * second);
    expect(await pull(claims)).toBe('200');
    advanceClock(10 * second);
    expect(await pull(claims)).toBe('401 TOKEN_INVALID');
  });

  test.each(['nbf', 'iat'])('for its %s, after the clock was set back', async (name) => {
    const claims = { [name]: inSeconds(0) };
    expect(await pull(claims)).toBe('200');
    advanceClock(-25 * second);
    expect(await pull(claims)).toBe('200');
    advanceClock(-10 * second);
    expect(await pull(claims)).toBe('401 TOKEN_INVALID');
    advanceClock(35 * second);
    expect(await pull(claims)).toBe('200');
  });

  test('for the scope of each call', async () => {
    const headers = {
      authorization: `Bearer ${forge(signer, { ...goodClaims, scope: 'sync:pull' })}`,
    };
    const url = '/api/sync/changes';
    expect((await service.request({ url, headers })).status).toBe(200);
    const push = {
      method: 'POST',
      url: '/api/sync/events',
      headers,
      body: { events: [] },
    } as const;
    expect(await service.request(push)).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
  });
});

test('a token that differs from a cached one in a single character is refused', async () => {
  const token = forge(signer, goodClaims);
  const status = async (text: string) =>
    (
      await service.request({
        url: '/api/sync/changes',
        headers: { authorization: `Bearer ${text}` },
      })
    ).status;
  expect(await status(token)).toBe(200);
  for (let at = 0; at < token.length; at += 1) {
    // 'A' and 'Q' differ in a significant bit. The two lowest bits of the last character belong to no byte.
    const other = token[at] === 'A' ? 'Q' : 'A';
    expect(await status(token.slice(0, at) + other + token.slice(at + 1)), `at ${at}`).toBe(401);
  }
  expect(await status(token)).toBe(200);
});
