import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { TestApp } from '../testkit/app/test-app.ts';
import { forge, goodClaims, type Signer } from './forgeries.ts';
import { createKey, type Issuer, pullWith, startIssuer, startTrusting } from './issuer.ts';

const second = 1_000;
const minute = 60 * second;
const [first, next] = [createKey('RS256', '2026-10'), createKey('ES256', '2026-11')];

let issuer: Issuer;
let service: TestApp;
let now: number;
beforeEach(async () => {
  issuer = await startIssuer(first.jwk);
  service = await startTrusting(issuer);
  now = Date.now();
  vi.useFakeTimers({ toFake: ['Date'], now });
});
afterEach(async () => {
  vi.useRealTimers();
  await service.close();
  await issuer.close();
});

/** Moves only the clock, by which the cache measures ages. */
function advanceClock(milliseconds: number): void {
  now += milliseconds;
  vi.setSystemTime(now);
}

/** The claims of a token that expires after the keys do. */
const claims = { ...goodClaims, exp: goodClaims.exp + 24 * 60 * 60 };
const pull = (key: Signer) => pullWith(service, key, claims);
const unknown = (n: number): Signer => ({
  header: { alg: 'RS256', kid: `k${n}` },
  sign: first.sign,
});
const stopIssuer = () => issuer.answer((_request, response) => response.writeHead(500).end());

test('many requests share one fetch of the keys', async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, () => pull(first)));
  expect(new Set(answers)).toEqual(new Set(['200']));
  advanceClock(9 * minute);
  expect(await pull(first)).toBe('200');
  expect(issuer.requests).toHaveLength(1);
});

test('a new key is accepted as soon as a token names it, and a withdrawn key no longer', async () => {
  expect(await pull(first)).toBe('200');
  issuer.publish(next.jwk);
  advanceClock(6 * second);
  expect(await pull(next)).toBe('200');
  expect(await pull(first)).toBe('401 TOKEN_INVALID');
  expect(issuer.requests).toHaveLength(2);
});

test('a withdrawn key is refused after ten minutes, also if no other key is used', async () => {
  expect(await pull(first)).toBe('200');
  issuer.publish(next.jwk);
  advanceClock(9 * minute);
  expect(await pull(first)).toBe('200');
  advanceClock(2 * minute);
  expect(await pull(first)).toBe('401 TOKEN_INVALID');
});

test('a key that was replaced under the same kid is refused after ten minutes', async () => {
  expect(await pull(first)).toBe('200');
  const other = createKey('RS256', '2026-10');
  issuer.publish(other.jwk);
  advanceClock(11 * minute);
  expect([await pull(first), await pull(other)]).toEqual(['401 TOKEN_INVALID', '200']);
});

test('many unknown kids cause one fetch in five seconds', async () => {
  for (let n = 0; n < 20; n += 1) {
    const answers = await Promise.all([n, n + 100, n + 200].map((kid) => pull(unknown(kid))));
    expect(new Set(answers)).toEqual(new Set(['401 TOKEN_INVALID']));
    advanceClock(second);
  }
  expect(issuer.requests.length).toBeGreaterThan(1);
  expect(issuer.requests.length).toBeLessThanOrEqual(5);
});

test('tokens with an unaccepted algorithm or without a kid cause no fetch', async () => {
  for (const header of [{ alg: 'none', kid: 'k' }, { alg: 'HS256', kid: 'k' }, { alg: 'RS256' }]) {
    expect(await pull({ ...first, header })).toBe('401 TOKEN_INVALID');
  }
  expect(issuer.requests).toEqual([]);
});

test('many tokens while the issuer is down cause one fetch in five seconds', async () => {
  stopIssuer();
  for (let n = 0; n < 20; n += 1) {
    const answers = await Promise.all([pull(first), pull(unknown(n)), pull(unknown(n + 100))]);
    expect(new Set(answers)).toEqual(new Set(['503 UNAVAILABLE']));
    advanceClock(second);
  }
  expect(issuer.requests.length).toBeGreaterThan(1);
  expect(issuer.requests.length).toBeLessThanOrEqual(5);
  issuer.publish(first.jwk);
  advanceClock(5 * second);
  expect(await pull(first)).toBe('200');
});

test('while the issuer is down, its last keys are accepted for an hour, and no request waits for it', async () => {
  expect(await pull(first)).toBe('200');
  stopIssuer();
  for (const [index, wait] of [11, 10, 10, 10, 10].entries()) {
    advanceClock(wait * minute);
    expect([await pull(first), await pull(first)]).toEqual(['200', '200']);
    // The fetch runs beside the requests, so it may fail after their answers.
    const failed = () => service.logLines.filter(({ event }) => event === 'issuer.failed');
    await expect.poll(failed).toHaveLength(index + 1);
  }
  let open = 0;
  issuer.answer((_request, response) => {
    open += 1;
    response.on('close', () => (open -= 1));
  });
  advanceClock(minute);
  expect(await pull(first)).toBe('200');
  await expect.poll(() => open).toBe(1);
  advanceClock(9 * minute);
  expect(await pull(first)).toBe('503 UNAVAILABLE');
});

test('an unknown kid while the issuer is down is answered 503, because its key may be new', async () => {
  expect(await pull(first)).toBe('200');
  stopIssuer();
  advanceClock(6 * second);
  expect(await pull(next)).toBe('503 UNAVAILABLE');
  expect(await pull(first)).toBe('200');
  issuer.publish(first.jwk, next.jwk);
  advanceClock(6 * second);
  expect(await pull(next)).toBe('200');
});

test('a withdrawn key is refused also after the clock was set back by a day', async () => {
  expect(await pull(first)).toBe('200');
  issuer.publish(next.jwk);
  advanceClock(-24 * 60 * minute);
  expect(await pull(first)).toBe('401 TOKEN_INVALID');
});

test('a forged token with the kid of a known key causes no fetch', async () => {
  expect(await pull(first)).toBe('200');
  for (let n = 0; n < 10; n += 1) {
    advanceClock(6 * second);
    const forged = forge({ header: first.header, sign: next.sign }, claims);
    const headers = { authorization: `Bearer ${forged}` };
    expect((await service.request({ url: '/api/sync/changes', headers })).status).toBe(401);
  }
  expect(issuer.requests).toHaveLength(1);
});
