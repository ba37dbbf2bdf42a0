import type { OutgoingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { putNote } from '../testkit/events/sent-events.ts';
import { expectProblem } from '../testkit/app/expect-problem.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { expectDocumented } from '../testkit/app/openapi-conformance.ts';
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
/** The server that forged tokens refer to. The service must never send it a request. */
let foreignIssuer: Issuer;
let service: TestApp;
let trusting: TestApp;
beforeAll(async () => {
  [issuer, foreignIssuer] = await Promise.all([startIssuer(byKey.jwk), startIssuer()]);
  [service, trusting] = await Promise.all([startApp({ env }), startTrusting(issuer)]);
});
afterAll(() => Promise.all([service, trusting, issuer, foreignIssuer].map((each) => each.close())));

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

/** The headers that differ between equal requests. */
const varying = /^(x-request-id|date|ratelimit.*)$/;
const steady = (headers: OutgoingHttpHeaders) =>
  Object.entries(headers).filter(([name]) => !varying.test(name));

/** The forgeries that are accepted, or whose refusal differs from the usual one. */
async function findDistinguishable(
  good: Signer,
  forged: readonly Forgery[],
  by: TestApp,
): Promise<string[]> {
  const refusal = await pull('Bearer token', by);
  expect(expectProblem(refusal)).toMatchObject({ status: 401, code: 'TOKEN_INVALID' });
  const textOf = ({ headers, body }: typeof refusal) => JSON.stringify([steady(headers), body]);
  const distinguishable: string[] = [];
  for (const [what, forgery] of forged) {
    const answer = await pull(`Bearer ${forgery}`, by);
    if (textOf(answer) !== textOf(refusal)) distinguishable.push(`${what}: ${answer.status}`);
  }
  const accepted = await pull(`Bearer ${forge(good, goodClaims)}`, by);
  return accepted.status === 200
    ? distinguishable
    : [...distinguishable, `a valid token: ${accepted.status}`];
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
  ])('Authorization: %j is refused as missing', async (authorization) => {
    const problem = expectProblem(await pull(authorization));
    expect(problem).toMatchObject({ status: 401, code: 'AUTH_REQUIRED' });
  });

  test.each(['Bearer', 'bearer', 'BEARER'])('the scheme %s is accepted', async (scheme) => {
    expect(await pull(`${scheme} ${token()}`)).toMatchObject({ status: 200 });
  });

  test('a token in the query or in a cookie is ignored', async () => {
    const url = `/api/sync/changes?token=${token()}&access_token=${token()}`;
    const headers = { cookie: `token=${token()}; access_token=${token()}` };
    const { statusCode } = await service.app.inject({ method: 'GET', url, headers });
    expect(statusCode).toBe(401);
  });
});

describe('bad input: alg none in any case; HS256 signed with the public key; empty key or signature; unknown or `../` kid; jku, x5u, jwk; unknown crit; wrong aud/iss/typ; no exp; expired; nbf to come', () => {
  test('with a shared secret, every invalid signature gets the same refusal', async () => {
    const pem = byKey.publicKey.export({ type: 'spki', format: 'pem' });
    const distinguishable = await findDistinguishable(
      bySecret,
      [
        ...badSignatures(bySecret, `http://127.0.0.1:${foreignIssuer.port}/`),
        ['an algorithm that was not agreed on', forge(hmac(secret, 'sha512'), goodClaims)],
        ['another secret', forge(hmac(`${secret} `), goodClaims)],
        ['a public key as its secret', forge(hmac(pem), goodClaims)],
        ['a key that is published elsewhere', forge(byKey, goodClaims)],
      ],
      service,
    );
    expect(distinguishable).toEqual([]);
  });

  test('with published keys, every invalid signature gets the same refusal', async () => {
    const published = [
      byKey.publicKey.export({ type: 'spki', format: 'pem' }),
      byKey.publicKey.export({ type: 'spki', format: 'pem' }).toString().trim(),
      byKey.publicKey.export({ type: 'pkcs1', format: 'pem' }),
      byKey.publicKey.export({ type: 'spki', format: 'der' }),
      JSON.stringify(byKey.jwk),
      Buffer.from(String(byKey.jwk.n), 'base64url'),
    ];
    const kids = ['k2', '../k1', 'k1/../k1', 'K1', 'k1 ', '', 5, null, undefined, ['k1'], {}];
    const distinguishable = await findDistinguishable(
      byKey,
      [
        ...badSignatures(byKey, `http://127.0.0.1:${foreignIssuer.port}/`),
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
    expect(distinguishable).toEqual([]);
  });

  test('every invalid claim or header gets the same refusal, also with a valid signature', async () => {
    expect(await findDistinguishable(bySecret, badContents(bySecret), service)).toEqual([]);
    expect(await findDistinguishable(byKey, badContents(byKey), trusting)).toEqual([]);
  });

  test('keys are fetched only from the issuer, and only from its configured URL', async () => {
    expect(foreignIssuer.requests).toEqual([]);
    expect(new Set(issuer.requests.map(({ url }) => url))).toEqual(new Set(['/oauth/keys.json']));
    await fetch(`http://127.0.0.1:${foreignIssuer.port}/`, {
      method: 'HEAD',
      signal: AbortSignal.timeout(5_000),
    });
    expect(foreignIssuer.requests).toHaveLength(1);
  });

  test('a token is refused before the request is parsed, and the token is not logged', async () => {
    const headers = { authorization: `Bearer ${token({ ...goodClaims, exp: anHourAgo })}` };
    const requests = [
      { method: 'POST', url: '/api/sync/events', headers, body: '{' },
      { method: 'POST', url: '/api/sync/events', headers, body: { events: [] } },
      { method: 'POST', url: '/api/sync/events?x=1', headers, body: { events: [putNote('n1')] } },
      { method: 'GET', url: '/api/sync/changes?limit=0&since=garbage', headers },
    ] as const;
    for (const request of requests) {
      expect(expectProblem(await service.request(request))).toMatchObject({
        code: 'TOKEN_INVALID',
      });
    }
    expect(JSON.stringify(service.logLines)).not.toContain(headers.authorization.slice(-40));
  });
});

const seconds = (offset: number) => Math.floor(Date.now() / 1000) + offset;

test.each<[what: string, claims: () => object, header?: object]>([
  ['with valid claims', () => ({})],
  ['with the right audience among several', () => ({ aud: ['another', 'landfall'] })],
  ['without a device', () => ({ device: undefined })],
  ['without a subject', () => ({ sub: undefined })],
  ['with an nbf in the past', () => ({ nbf: anHourAgo })],
  ['of an issuer whose clock is 20 seconds ahead', () => ({ nbf: seconds(20), iat: seconds(20) })],
  ['that expired 20 seconds ago', () => ({ exp: seconds(-20) })],
  ['with the typ of an access token', () => ({}), { typ: 'at+jwt' }],
  ['with the full media type as typ', () => ({}), { typ: 'application/at+JWT' }],
  ['without a typ', () => ({}), { typ: undefined }],
  ['with a jku, which is ignored', () => ({}), { jku: 'http://127.0.0.1:9/' }],
])('a token %s is accepted', async (_what, claims, header) => {
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
    const problem = expectProblem(await pull(`Bearer ${token({ ...goodClaims, tenant })}`));
    expect(problem).toMatchObject({ status: 403, code: 'TENANT_REQUIRED' });
  });
});
