import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { put } from '../model/events.ts';
import { refusalOf } from '../model/refusal.ts';
import { startApp, type TestApp } from '../setup/app.ts';

const secret = 'the only secret of this test, at least 32 bytes';
const env = { JWT_SECRET: secret, JWT_AUDIENCE: 'landfall', JWT_ISSUER: 'https://issuer.test' };

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ env });
});
afterAll(() => service.close());

const inAnHour = Math.floor(Date.now() / 1000) + 3600;
const anHourAgo = inAnHour - 7200;
const good = {
  tenant: 't1',
  sub: 'user',
  device: 'd1',
  scope: 'sync:push sync:pull',
  aud: 'landfall',
  iss: 'https://issuer.test',
  exp: inAnHour,
};

const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url');
const hmac = (algorithm: string, key: string) => (text: string) =>
  createHmac(algorithm, key).update(text).digest('base64url');
const hs256 = hmac('sha256', secret);

function token(claims: unknown, header: object = {}, signature = hs256): string {
  const text = `${encode({ alg: 'HS256', typ: 'JWT', ...header })}.${encode(claims)}`;
  return `${text}.${signature(text)}`;
}
const without = (name: keyof typeof good) => ({ ...good, [name]: undefined });

function pull(authorization?: string) {
  const headers = authorization === undefined ? {} : { authorization };
  return service.app
    .inject({ method: 'GET', url: '/api/sync/changes', headers })
    .then((answer) => ({
      status: answer.statusCode,
      headers: answer.headers,
      body: answer.json(),
    }));
}

const none = () => '';
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
const jwk = publicKey.export({ format: 'jwk' });
const rs256 = (text: string) => sign('sha256', Buffer.from(text), privateKey).toString('base64url');
const [header64, claims64, signature64] = token(good).split('.');

const forged: [what: string, token: string][] = [
  ['alg none', token(good, { alg: 'none' }, none)],
  ['alg None', token(good, { alg: 'None' }, none)],
  ['alg NONE', token(good, { alg: 'NONE' }, none)],
  ['alg nOnE and a signature', token(good, { alg: 'nOnE' })],
  ['an empty alg', token(good, { alg: '' })],
  ['no alg', token(good, { alg: undefined })],
  ['alg hs256', token(good, { alg: 'hs256' })],
  ['an algorithm that was not agreed on', token(good, { alg: 'HS512' }, hmac('sha512', secret))],
  ['an empty signature', token(good, {}, none)],
  ['no signature', `${header64}.${claims64}`],
  ['half of its signature', `${header64}.${claims64}.${signature64?.slice(0, 20)}`],
  ['four parts', `${token(good)}.${signature64}`],
  ['an empty key', token(good, {}, hmac('sha256', ''))],
  ['another secret', token(good, {}, hmac('sha256', `${secret} `))],
  ['a public key as its secret', token(good, {}, hmac('sha256', pem))],
  ['RS256 with a key of its own', token(good, { alg: 'RS256' }, rs256)],
  ['a key of its own in jwk', token(good, { alg: 'RS256', jwk }, rs256)],
  ['a key of its own in jku', token(good, { alg: 'RS256', jku: 'http://127.0.0.1:9/jwks' }, rs256)],
  ['a key of its own in x5u', token(good, { alg: 'RS256', x5u: 'http://127.0.0.1:9/x' }, rs256)],
  ['a kid that is a path', token(good, { kid: '../../dev/null' }, hmac('sha256', ''))],
  ['claims that were changed', `${header64}.${encode({ ...good, tenant: 't2' })}.${signature64}`],
  ['a header that was changed', `${encode({ alg: 'HS256' })}.${claims64}.${signature64}`],
  ['an unknown crit', token(good, { crit: ['unheard-of'], 'unheard-of': 1 })],
  ['another typ', token(good, { typ: 'logout+jwt' })],
  ['another audience', token({ ...good, aud: 'another' })],
  ['no audience', token(without('aud'))],
  ['only other audiences', token({ ...good, aud: ['one', 'two'] })],
  ['an audience that only begins alike', token({ ...good, aud: 'landfall2' })],
  ['another issuer', token({ ...good, iss: 'https://issuer.test.evil' })],
  ['no issuer', token(without('iss'))],
  ['no exp', token(without('exp'))],
  ['an exp that has passed', token({ ...good, exp: anHourAgo })],
  ['an exp of 0', token({ ...good, exp: 0 })],
  ['an exp that is a text', token({ ...good, exp: String(inAnHour) })],
  ['an exp that is null', token({ ...good, exp: null })],
  ['an nbf to come', token({ ...good, nbf: inAnHour })],
  ['claims that are null', token(null)],
  ['claims that are an array', token([good])],
  ['claims that are a text', token('good')],
  ['claims that are no JSON', [header64, 'e30x', hs256(`${header64}.e30x`)].join('.')],
  ['a header that is no JSON', `e30x.${claims64}.${hs256(`e30x.${claims64}`)}`],
  ['three empty parts', '..'],
  ['one part', 'token'],
  ['a token of 100 kB', token({ ...good, more: 'x'.repeat(100_000) }, {}, none)],
];

test.each(forged)('a token with %s is refused', async (_what, forgery) => {
  const problem = refusalOf(await pull(`Bearer ${forgery}`));
  expect(problem).toMatchObject({ status: 401, code: 'TOKEN_INVALID' });
});

test('all refused tokens are answered with one and the same body', async () => {
  const bodies = new Set<string>();
  for (const [, forgery] of forged) {
    bodies.add(JSON.stringify((await pull(`Bearer ${forgery}`)).body));
  }
  expect(bodies.size).toBe(1);
});

test.each([
  undefined,
  '',
  'Bearer',
  'Bearer ',
  'Basic dXNlcjpwYXNz',
  token(good),
  `Token ${token(good)}`,
])('the Authorization %j is none', async (authorization) => {
  const problem = refusalOf(await pull(authorization));
  expect(problem).toMatchObject({ status: 401, code: 'AUTH_REQUIRED' });
});

test('a token in the query is none', async () => {
  const url = `/api/sync/changes?token=${token(good)}&access_token=${token(good)}`;
  const { statusCode } = await service.app.inject({ method: 'GET', url });
  expect(statusCode).toBe(401);
});

test.each<[what: string, claims: object]>([
  ['as they should be', good],
  ['with one right audience of several', { ...good, aud: ['another', 'landfall'] }],
  ['without a device', without('device')],
  ['without a subject', without('sub')],
  ['with an nbf that has passed', { ...good, nbf: anHourAgo }],
])('a token with claims %s is accepted', async (_what, claims) => {
  expect((await pull(`Bearer ${token(claims)}`)).status).toBe(200);
});

test.each<[what: string, tenant: unknown]>([
  ['that is missing', undefined],
  ['that is null', null],
  ['that is empty', ''],
  ['that is a number', 5],
  ['that is an array', ['t1']],
  ['that is an object', { id: 't1' }],
  ['of 201 characters', 't'.repeat(201)],
  ['with U+0000', 't\u00001'],
  ['with a line break', 't\n1'],
  ['with half of a surrogate pair', 't\ud800'],
])('a token with a tenant %s is refused', async (_what, tenant) => {
  const problem = refusalOf(await pull(`Bearer ${token({ ...good, tenant })}`));
  expect(problem).toMatchObject({ status: 403, code: 'TENANT_REQUIRED' });
});

test('a tenant is its exact text', async () => {
  const answers = [];
  for (const tenant of ['shop', 'Shop', 'shop ', "shop' --", '%', 'sh\u00f6p', 'sho\u0308p']) {
    const authorization = `Bearer ${token({ ...good, tenant })}`;
    const event = { ...put('n1', { title: tenant }), identityKey: 'k' };
    const { body } = await service.request({
      method: 'POST',
      url: '/api/sync/events',
      headers: { authorization },
      body: { events: [event] },
    });
    expect(body.processed).toEqual(['k']);
    answers.push((await pull(authorization)).body.changes[0].data.title === tenant);
  }
  expect(answers).not.toContain(false);
});

test.each([
  ['sync:pull', 'POST', '/api/sync/events'],
  ['sync:push', 'GET', '/api/sync/changes'],
  ['', 'GET', '/api/sync/changes'],
  ['sync:pulls', 'GET', '/api/sync/changes'],
  ['sync', 'POST', '/api/sync/events'],
] as const)('a token with the scope %j may not %s %s', async (scope, method, url) => {
  const body = { events: [put('n1')] };
  const sender = { tenant: 'scoped', scope };
  const answer = await service.request({ method, url, sender, ...(method === 'POST' && { body }) });
  expect(refusalOf(answer)).toMatchObject({ status: 403, code: 'FORBIDDEN' });
  expect(await service.sql("SELECT 1 FROM events WHERE tenant_id = 'scoped'")).toEqual([]);
});

test('a refused token is answered before anything is read or decided', async () => {
  const headers = { authorization: `Bearer ${token({ ...good, exp: anHourAgo })}` };
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
