import type { OutgoingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { put } from '../testkit/oracle/events.ts';
import { refusalOf } from '../testkit/oracle/refusal.ts';
import { startApp, type TestApp } from '../testkit/app.ts';
import { expectDocumented } from '../testkit/documented.ts';
import {
  anHourAgo,
  badContents,
  badSignatures,
  type Forgery,
  forge,
  goodClaims,
  hmac,
  type Signer,
} from './forgeries.ts';
import { createKey, type Issuer, startIssuer, startTrusting } from './issuer.ts';

const secret = 'the only secret of this test, at least 32 bytes';
const env = { JWT_SECRET: secret, JWT_AUDIENCE: 'landfall', JWT_ISSUER: 'https://issuer.test' };

const bySecret = hmac(secret);
const byKey = createKey('RS256', 'k1');
let issuer: Issuer;
/** Where forged tokens point: nobody may ever ask here. */
let silent: Issuer;
let service: TestApp;
let trusting: TestApp;
beforeAll(async () => {
  [issuer, silent] = await Promise.all([startIssuer(byKey.jwk), startIssuer()]);
  [service, trusting] = await Promise.all([startApp({ env }), startTrusting(issuer)]);
});
afterAll(() => Promise.all([service, trusting, issuer, silent].map((each) => each.close())));

const token = (claims: object = goodClaims, header: object = {}) => forge(bySecret, claims, header);

async function pull(authorization?: string, { app } = service) {
  const headers = authorization === undefined ? {} : { authorization };
  const request = { method: 'GET', url: '/api/sync/changes', headers } as const;
  const injected = await app.inject(request);
  const { statusCode: status, headers: answered } = injected;
  const answer = { status, headers: answered, body: injected.json() };
  expectDocumented(request, answer);
  return answer;
}

/** A request's own id, the time, and what is left of a quota. */
const varying = /^(x-request-id|date|ratelimit.*)$/;
const steady = (headers: OutgoingHttpHeaders) =>
  Object.entries(headers).filter(([name]) => !varying.test(name));

/** Those that are accepted, or answered in other words than any other that is refused. */
async function toldApart(good: Signer, forged: readonly Forgery[], by: TestApp): Promise<string[]> {
  const refusal = await pull('Bearer token', by);
  expect(refusalOf(refusal)).toMatchObject({ status: 401, code: 'TOKEN_INVALID' });
  const wordsOf = ({ headers, body }: typeof refusal) => JSON.stringify([steady(headers), body]);
  const found: string[] = [];
  for (const [what, forgery] of forged) {
    const answer = await pull(`Bearer ${forgery}`, by);
    if (wordsOf(answer) !== wordsOf(refusal)) found.push(`${what}: ${answer.status}`);
  }
  const accepted = await pull(`Bearer ${forge(good, goodClaims)}`, by);
  return accepted.status === 200 ? found : [...found, `a good one: ${accepted.status}`];
}

describe('bad input: no, or no Bearer, Authorization', () => {
  test.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Bearer\t',
    'Basic dXNlcjpwYXNz',
    token(),
    `Token ${token()}`,
    `Bearer  ${token()}`,
    `Bearer ${token()} ${token()}`,
    `Basic dXNlcjpwYXNz, Bearer ${token()}`,
  ])('the Authorization %j is none', async (authorization) => {
    const problem = refusalOf(await pull(authorization));
    expect(problem).toMatchObject({ status: 401, code: 'AUTH_REQUIRED' });
  });

  test.each(['Bearer', 'bearer', 'BEARER'])('but %s is the scheme, in any case', async (scheme) => {
    expect(await pull(`${scheme} ${token()}`)).toMatchObject({ status: 200 });
  });

  test('a token in the query or a cookie is none', async () => {
    const url = `/api/sync/changes?token=${token()}&access_token=${token()}`;
    const headers = { cookie: `token=${token()}; access_token=${token()}` };
    const { statusCode } = await service.app.inject({ method: 'GET', url, headers });
    expect(statusCode).toBe(401);
  });
});

describe('bad input: alg none in any case; HS256 signed with the public key; empty key or signature; unknown or `../` kid; jku, x5u, jwk; unknown crit; wrong aud/iss/typ; no exp; expired; nbf to come', () => {
  test('with a shared secret, whatever else a token is signed with is refused in one way', async () => {
    const pem = byKey.publicKey.export({ type: 'spki', format: 'pem' });
    const apart = await toldApart(
      bySecret,
      [
        ...badSignatures(bySecret, `http://127.0.0.1:${silent.port}/`),
        ['an algorithm that was not agreed on', forge(hmac(secret, 'sha512'), goodClaims)],
        ['another secret', forge(hmac(`${secret} `), goodClaims)],
        ['a public key as its secret', forge(hmac(pem), goodClaims)],
        ['a key that is published elsewhere', forge(byKey, goodClaims)],
      ],
      service,
    );
    expect(apart).toEqual([]);
  });

  test('with published keys, whatever else a token is signed with is refused in one way', async () => {
    const published = [
      byKey.publicKey.export({ type: 'spki', format: 'pem' }),
      byKey.publicKey.export({ type: 'spki', format: 'pem' }).toString().trim(),
      byKey.publicKey.export({ type: 'pkcs1', format: 'pem' }),
      byKey.publicKey.export({ type: 'spki', format: 'der' }),
      JSON.stringify(byKey.jwk),
      Buffer.from(String(byKey.jwk.n), 'base64url'),
    ];
    const kids = ['k2', '../k1', 'k1/../k1', 'K1', 'k1 ', '', 5, null, undefined, ['k1'], {}];
    const apart = await toldApart(
      byKey,
      [
        ...badSignatures(byKey, `http://127.0.0.1:${silent.port}/`),
        ...published.map(
          (key): Forgery => [
            `HS256 with the public key ${String(key)}`,
            forge(hmac(key), goodClaims, { kid: 'k1' }),
          ],
        ),
        ...kids.map(
          (kid): Forgery => [`the kid ${JSON.stringify(kid)}`, forge(byKey, goodClaims, { kid })],
        ),
        ['PS256 in the name of a key for RS256', forge(byKey, goodClaims, { alg: 'PS256' })],
        ['RS384', forge(byKey, goodClaims, { alg: 'RS384' })],
      ],
      trusting,
    );
    expect(apart).toEqual([]);
  });

  test('what a token must say is demanded of good signatures too', async () => {
    expect(await toldApart(bySecret, badContents(bySecret), service)).toEqual([]);
    expect(await toldApart(byKey, badContents(byKey), trusting)).toEqual([]);
  });

  test('nobody is asked for keys but the issuer, and it only for its one address', async () => {
    expect(silent.requests).toEqual([]);
    expect(new Set(issuer.requests.map(({ url }) => url))).toEqual(new Set(['/oauth/keys.json']));
    await fetch(`http://127.0.0.1:${silent.port}/`, {
      method: 'HEAD',
      signal: AbortSignal.timeout(5_000),
    });
    expect(silent.requests).toHaveLength(1);
  });

  test('a refused token is answered before anything is read or decided, and not logged', async () => {
    const headers = { authorization: `Bearer ${token({ ...goodClaims, exp: anHourAgo })}` };
    const requests = [
      { method: 'POST', url: '/api/sync/events', headers, body: '{' },
      { method: 'POST', url: '/api/sync/events', headers, body: { events: [] } },
      { method: 'POST', url: '/api/sync/events?x=1', headers, body: { events: [put('n1')] } },
      { method: 'GET', url: '/api/sync/changes?limit=0&since=garbage', headers },
    ] as const;
    for (const request of requests) {
      expect(refusalOf(await service.request(request))).toMatchObject({ code: 'TOKEN_INVALID' });
    }
    expect(JSON.stringify(service.logLines)).not.toContain(headers.authorization.slice(-40));
  });
});

const seconds = (offset: number) => Math.floor(Date.now() / 1000) + offset;

test.each<[what: string, claims: () => object, header?: object]>([
  ['as they should be', () => ({})],
  ['with one right audience of several', () => ({ aud: ['another', 'landfall'] })],
  ['without a device', () => ({ device: undefined })],
  ['without a subject', () => ({ sub: undefined })],
  ['with an nbf that has passed', () => ({ nbf: anHourAgo })],
  ['of an issuer whose clock is 20 seconds ahead', () => ({ nbf: seconds(20), iat: seconds(20) })],
  ['that ended 20 seconds ago by this clock', () => ({ exp: seconds(-20) })],
  ['with the typ of an access token', () => ({}), { typ: 'at+jwt' }],
  ['with a typ in full', () => ({}), { typ: 'application/at+JWT' }],
  ['without a typ', () => ({}), { typ: undefined }],
  ['with a jku, which is not read', () => ({}), { jku: 'http://127.0.0.1:9/' }],
])('a token with claims %s is accepted', async (_what, claims, header) => {
  const authorization = `Bearer ${token({ ...goodClaims, ...claims() }, header)}`;
  expect((await pull(authorization)).status).toBe(200);
});

describe('bad input: no tenant claim, or not a string', () => {
  test.each<[what: string, tenant: unknown]>([
    ['that is missing', undefined],
    ['that is null', null],
    ['that is empty', ''],
    ['that is a number', 5],
    ['that is a boolean', true],
    ['that is an array', ['t1']],
    ['that is an object', { id: 't1' }],
    ['of 201 characters', 't'.repeat(201)],
    ['with U+0000', 't\u00001'],
    ['with a line break', 't\n1'],
    ['with half of a surrogate pair', 't\ud800'],
  ])('a tenant %s is refused', async (_what, tenant) => {
    const problem = refusalOf(await pull(`Bearer ${token({ ...goodClaims, tenant })}`));
    expect(problem).toMatchObject({ status: 403, code: 'TENANT_REQUIRED' });
  });
});
