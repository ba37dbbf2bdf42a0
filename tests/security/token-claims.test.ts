import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { refusalOf } from '../testkit/oracle/refusal.ts';
import { startApp, type TestApp } from '../testkit/app.ts';
import { forge, goodClaims, hmac, inAnHour } from './forgeries.ts';

const secret = 'the only secret of this test, at least 32 bytes';
const url = 'https://app.example/device';
const env = {
  JWT_SECRET: secret,
  JWT_TENANT_CLAIM: 'app_metadata.tenant_id',
  JWT_DEVICE_CLAIM: url,
  JWT_SUBJECT_CLAIM: 'identity.user',
  JWT_DEFAULT_SCOPES: 'sync:pull',
};

let service: TestApp;
beforeAll(async () => {
  service = await startApp({ env });
});
afterAll(() => service.close());

const own = { app_metadata: { tenant_id: 'shop' }, exp: inAnHour };

/** The token is what the issuer signed; a text is taken to the letter. */
async function call(claims: object | string, method: 'GET' | 'POST' = 'GET') {
  const headers = { authorization: `Bearer ${forge(hmac(secret), claims)}` };
  if (method === 'GET') return service.request({ url: '/api/sync/changes', headers });
  const event = {
    identityKey: 'k1',
    kind: 'note.put',
    payload: { noteId: 'n', title: '', body: '' },
  };
  return service.request({ method, url: '/api/sync/events', headers, body: { events: [event] } });
}

test('who sends is read where the settings say, and nowhere else', async () => {
  const claims = {
    ...own,
    ...{ [url]: 'till-7', identity: { user: 'ann' }, scope: ['sync:push', 'sync:pull'] },
    // What other services read means nothing here.
    ...{ tenant: 'another', device: 'another', sub: 'another' },
  };
  expect((await call(claims, 'POST')).body.processed).toEqual(['k1']);
  const [record] = (await call(claims)).body.changes;
  expect(record.origin).toMatchObject({ deviceId: 'till-7' });
  const rows = await service.sql('SELECT tenant_id, device_id, subject FROM events');
  expect(rows).toEqual([{ tenant_id: 'shop', device_id: 'till-7', subject: 'ann' }]);
});

test('a token without scopes has those of the settings, and one that names some has these', async () => {
  expect((await call(own)).status).toBe(200);
  expect(refusalOf(await call(own, 'POST'))).toMatchObject({ status: 403, code: 'FORBIDDEN' });
  expect(refusalOf(await call({ ...own, scp: 'openid' }))).toMatchObject({ code: 'FORBIDDEN' });
});

describe('a tenant of another place is none', () => {
  test.each<[what: string, claims: object | string]>([
    ['its usual name', { ...goodClaims }],
    ['metadata that users edit', { exp: inAnHour, user_metadata: { tenant_id: 'shop' } }],
    ['the last part of the path', { exp: inAnHour, tenant_id: 'shop' }],
    ['a list', { exp: inAnHour, app_metadata: [{ tenant_id: 'shop' }] }],
    ['a prototype', `{"exp":${inAnHour},"__proto__":{"app_metadata":{"tenant_id":"shop"}}}`],
    ['a prototype below', `{"exp":${inAnHour},"app_metadata":{"__proto__":{"tenant_id":"shop"}}}`],
  ])('%s', async (_what, claims) => {
    const problem = refusalOf(await call(claims));
    expect(problem).toMatchObject({ status: 403, code: 'TENANT_REQUIRED' });
  });

  test.each([
    `{"__proto__":{"exp":${inAnHour}},"app_metadata":{"tenant_id":"shop"}}`,
    `{"exp":1,"__proto__":{"exp":${inAnHour}},"app_metadata":{"tenant_id":"shop"}}`,
  ])('nor is an end, or a scope, that a prototype says: %s', async (claims) => {
    expect(refusalOf(await call(claims))).toMatchObject({ code: 'TOKEN_INVALID' });
    const scoped = JSON.stringify(own).replace('{', '{"__proto__":{"scope":"sync:push"},');
    expect(refusalOf(await call(scoped, 'POST'))).toMatchObject({ code: 'FORBIDDEN' });
  });
});

test('a token of this service’s own command is read by the same settings', async () => {
  const answer = await service.request({ url: '/api/sync/changes', sender: { tenant: 'shop' } });
  expect(answer.status).toBe(200);
});
