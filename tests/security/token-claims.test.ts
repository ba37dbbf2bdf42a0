import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectProblem } from '../testkit/app/expect-problem.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
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

const validClaims = { app_metadata: { tenant_id: 'shop' }, exp: inAnHour };

/** Calls the service with these claims. A text is signed unchanged. */
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

test('the actor is read from the configured claims only', async () => {
  const claims = {
    ...validClaims,
    ...{ [url]: 'till-7', identity: { user: 'ann' }, scope: ['sync:push', 'sync:pull'] },
    // These claims have a meaning for other services only.
    ...{ tenant: 'another', device: 'another', sub: 'another' },
  };
  expect((await call(claims, 'POST')).body.processed).toEqual(['k1']);
  const [record] = (await call(claims)).body.changes;
  expect(record.origin).toMatchObject({ deviceId: 'till-7' });
  const rows = await service.sql('SELECT tenant_id, device_id, subject FROM event_log');
  expect(rows).toEqual([{ tenant_id: 'shop', device_id: 'till-7', subject: 'ann' }]);
});

test('a token without scopes gets the configured ones, and a token with scopes keeps its own', async () => {
  expect((await call(validClaims)).status).toBe(200);
  expect(expectProblem(await call(validClaims, 'POST'))).toMatchObject({
    status: 403,
    code: 'FORBIDDEN',
  });
  expect(expectProblem(await call({ ...validClaims, scp: 'openid' }))).toMatchObject({
    code: 'FORBIDDEN',
  });
});

describe('a tenant at another place in the token is ignored', () => {
  test.each<[what: string, claims: object | string]>([
    ['its usual name', { ...goodClaims }],
    ['metadata that users edit', { exp: inAnHour, user_metadata: { tenant_id: 'shop' } }],
    ['the last part of the path', { exp: inAnHour, tenant_id: 'shop' }],
    ['a list', { exp: inAnHour, app_metadata: [{ tenant_id: 'shop' }] }],
    ['a prototype', `{"exp":${inAnHour},"__proto__":{"app_metadata":{"tenant_id":"shop"}}}`],
    ['a prototype below', `{"exp":${inAnHour},"app_metadata":{"__proto__":{"tenant_id":"shop"}}}`],
  ])('%s', async (_what, claims) => {
    const problem = expectProblem(await call(claims));
    expect(problem).toMatchObject({ status: 403, code: 'TENANT_REQUIRED' });
  });

  test.each([
    `{"__proto__":{"exp":${inAnHour}},"app_metadata":{"tenant_id":"shop"}}`,
    `{"exp":1,"__proto__":{"exp":${inAnHour}},"app_metadata":{"tenant_id":"shop"}}`,
  ])('the exp and the scope of a prototype are ignored: %s', async (claims) => {
    expect(expectProblem(await call(claims))).toMatchObject({ code: 'TOKEN_INVALID' });
    const scoped = JSON.stringify(validClaims).replace('{', '{"__proto__":{"scope":"sync:push"},');
    expect(expectProblem(await call(scoped, 'POST'))).toMatchObject({ code: 'FORBIDDEN' });
  });
});

test('a token of the token command has the configured claims', async () => {
  const answer = await service.request({ url: '/api/sync/changes', sender: { tenant: 'shop' } });
  expect(answer.status).toBe(200);
});
