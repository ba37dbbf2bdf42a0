import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { TestApp } from '../testkit/app.ts';
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

/** Only the clock moves: what a cache is told by. */
function pass(milliseconds: number): void {
  now += milliseconds;
  vi.setSystemTime(now);
}

/** A token that outlives the keys. */
const claims = { ...goodClaims, exp: goodClaims.exp + 24 * 60 * 60 };
const pull = (key: Signer) => pullWith(service, key, claims);
const unknown = (n: number): Signer => ({
  header: { alg: 'RS256', kid: `k${n}` },
  sign: first.sign,
});
const isDown = () => issuer.answer((_request, response) => response.writeHead(500).end());

test('many requests are one fetch', async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, () => pull(first)));
  expect(new Set(answers)).toEqual(new Set(['200']));
  pass(9 * minute);
  expect(await pull(first)).toBe('200');
  expect(issuer.requests).toHaveLength(1);
});

test('a new key is taken as soon as a token names it, and one that was withdrawn no longer', async () => {
  expect(await pull(first)).toBe('200');
  issuer.publish(next.jwk);
  pass(6 * second);
  expect(await pull(next)).toBe('200');
  expect(await pull(first)).toBe('401 TOKEN_INVALID');
  expect(issuer.requests).toHaveLength(2);
});

test('a key that was withdrawn is refused after ten minutes, though no other is used', async () => {
  expect(await pull(first)).toBe('200');
  issuer.publish(next.jwk);
  pass(9 * minute);
  expect(await pull(first)).toBe('200');
  pass(2 * minute);
  expect(await pull(first)).toBe('401 TOKEN_INVALID');
});

test('a key that was replaced under its own kid is refused after ten minutes', async () => {
  expect(await pull(first)).toBe('200');
  const other = createKey('RS256', '2026-10');
  issuer.publish(other.jwk);
  pass(11 * minute);
  expect([await pull(first), await pull(other)]).toEqual(['401 TOKEN_INVALID', '200']);
});

test('a flood of unknown kids is one fetch in five seconds', async () => {
  for (let n = 0; n < 20; n += 1) {
    const answers = await Promise.all([n, n + 100, n + 200].map((kid) => pull(unknown(kid))));
    expect(new Set(answers)).toEqual(new Set(['401 TOKEN_INVALID']));
    pass(second);
  }
  expect(issuer.requests.length).toBeGreaterThan(1);
  expect(issuer.requests.length).toBeLessThanOrEqual(5);
});

test('tokens with an algorithm that is not accepted, or without a kid, are no fetch at all', async () => {
  for (const header of [{ alg: 'none', kid: 'k' }, { alg: 'HS256', kid: 'k' }, { alg: 'RS256' }]) {
    expect(await pull({ ...first, header })).toBe('401 TOKEN_INVALID');
  }
  expect(issuer.requests).toEqual([]);
});

test('a flood of tokens while the issuer is down is one fetch in five seconds', async () => {
  isDown();
  for (let n = 0; n < 20; n += 1) {
    const answers = await Promise.all([pull(first), pull(unknown(n)), pull(unknown(n + 100))]);
    expect(new Set(answers)).toEqual(new Set(['503 UNAVAILABLE']));
    pass(second);
  }
  expect(issuer.requests.length).toBeGreaterThan(1);
  expect(issuer.requests.length).toBeLessThanOrEqual(5);
  issuer.publish(first.jwk);
  pass(5 * second);
  expect(await pull(first)).toBe('200');
});

test('while the issuer is down its last keys serve for an hour, and no request waits for it', async () => {
  expect(await pull(first)).toBe('200');
  isDown();
  for (const [index, wait] of [11, 10, 10, 10, 10].entries()) {
    pass(wait * minute);
    expect([await pull(first), await pull(first)]).toEqual(['200', '200']);
    // It is asked beside the requests, so what comes of that may come after their answers.
    const failed = () => service.logLines.filter(({ event }) => event === 'issuer.failed');
    await expect.poll(failed).toHaveLength(index + 1);
  }
  let open = 0;
  issuer.answer((_request, response) => {
    open += 1;
    response.on('close', () => (open -= 1));
  });
  pass(minute);
  expect(await pull(first)).toBe('200');
  await expect.poll(() => open).toBe(1);
  pass(9 * minute);
  expect(await pull(first)).toBe('503 UNAVAILABLE');
});

test('an unknown kid while the issuer is down is a 503: it may be a new key’s', async () => {
  expect(await pull(first)).toBe('200');
  isDown();
  pass(6 * second);
  expect(await pull(next)).toBe('503 UNAVAILABLE');
  expect(await pull(first)).toBe('200');
  issuer.publish(first.jwk, next.jwk);
  pass(6 * second);
  expect(await pull(next)).toBe('200');
});

test('a clock that is set back by a day does not keep a withdrawn key', async () => {
  expect(await pull(first)).toBe('200');
  issuer.publish(next.jwk);
  pass(-24 * 60 * minute);
  expect(await pull(first)).toBe('401 TOKEN_INVALID');
});

test('a forged token in a good key’s name costs no fetch either', async () => {
  expect(await pull(first)).toBe('200');
  for (let n = 0; n < 10; n += 1) {
    pass(6 * second);
    const forged = forge({ header: first.header, sign: next.sign }, claims);
    const headers = { authorization: `Bearer ${forged}` };
    expect((await service.request({ url: '/api/sync/changes', headers })).status).toBe(401);
  }
  expect(issuer.requests).toHaveLength(1);
});
