import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectProblem } from '../testkit/app/expect-problem.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

const listed = 'https://app.example';
const push = '/api/sync/events';
const pull = '/api/sync/changes';

let service: TestApp;
let closed: TestApp;
beforeAll(async () => {
  const env = {
    CORS_ORIGINS: `${listed}, capacitor://localhost`,
    RATE_LIMIT_SUBJECT: '3',
    MAX_BODY_BYTES: '1000',
  };
  service = await startApp({ env });
  closed = await startApp({ database: service.database });
});
afterAll(async () => {
  await closed.close();
  await service.close();
});

const preflight = (url: string, origin = listed, app = service) =>
  app.app.inject({
    method: 'OPTIONS',
    url,
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
    },
  });

describe('a preflight of a listed origin', () => {
  test('is answered without a token, with the methods of its path', async () => {
    const answer = await preflight(push);
    expect(answer.statusCode).toBe(204);
    expect(answer.body).toBe('');
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': listed,
      'access-control-allow-methods': 'POST',
      'access-control-max-age': '7200',
      vary: expect.stringMatching(/\bOrigin\b/),
    });
    const allowed = String(answer.headers['access-control-allow-headers']);
    for (const name of ['Authorization', 'Content-Type', 'If-None-Match', 'Content-Encoding']) {
      expect(allowed.split(', ')).toContain(name);
    }
    expect(answer.headers).not.toHaveProperty('access-control-allow-credentials');
    const methods = (await preflight(pull)).headers['access-control-allow-methods'];
    expect(String(methods).split(', ').toSorted()).toEqual(['GET', 'HEAD']);
  });

  test('is logged at debug as an OPTIONS request', async () => {
    const before = service.logLines.length;
    await preflight(push);
    const lines = service.logLines.slice(before).filter(({ event }) => event === 'request');
    expect(lines).toMatchObject([{ level: 'debug', method: 'OPTIONS', status: 204 }]);
    expect(lines[0]).not.toHaveProperty('tenant');
  });

  test('of an unknown path is answered 404 without CORS headers', async () => {
    const answer = await preflight('/api/sync/nothing');
    expect(answer.statusCode).toBe(404);
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
  });
});

test('an OPTIONS request that is no preflight is answered 405 with the allowed methods', async () => {
  const headers = { origin: listed };
  const answer = await service.app.inject({ method: 'OPTIONS', url: push, headers });
  expect(answer.statusCode).toBe(405);
  expect(answer.json()).toMatchObject({ code: 'METHOD_NOT_ALLOWED' });
  expect(answer.headers.allow).toBe('POST');
});

test.each([listed, 'capacitor://localhost'])(
  'a page of %s can read the answers',
  async (origin) => {
    const answer = await service.request({
      url: pull,
      headers: { origin },
      sender: { subject: origin },
    });
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': origin,
      vary: expect.stringMatching(/\bOrigin\b/),
    });
    const exposed = String(answer.headers['access-control-expose-headers']).split(', ');
    expect(exposed).toEqual(
      expect.arrayContaining(['ETag', 'Retry-After', 'X-Request-Id', 'RateLimit-Remaining']),
    );
  },
);

test('a page of a listed origin can read refusals too', async () => {
  const headers = { origin: listed };
  const sender = { subject: 'ann' };
  const ask = { url: pull, headers, sender };
  const refusals = [
    await service.request({ url: pull, headers: { ...headers, authorization: '' } }),
    await service.request({ url: '/nothing', headers }),
    await service.request({ method: 'POST', url: push, headers, body: '{', sender }),
    await service.request({ method: 'POST', url: push, headers, body: 'x'.repeat(2000), sender }),
    await service.request({ ...ask, url: `${pull}?limit=0` }),
    await service.request(ask),
  ];
  const found = refusals.map((answer) => expectProblem(answer).status);
  expect(found).toEqual([401, 404, 400, 413, 400, 429]);
  for (const refusal of refusals) {
    expect(refusal.headers).toMatchObject({ 'access-control-allow-origin': listed });
  }
});

test.each([
  'https://evil.example',
  'https://app.example.evil.example',
  'http://app.example',
  'https://app.example:8443',
  'https://APP.example',
  'https://sub.app.example',
  'null',
  '*',
  '',
])('the origin %j gets no CORS headers', async (origin) => {
  const refused = await preflight(push, origin);
  expect(refused.statusCode).toBe(405);
  const sender = { subject: `of ${origin}` };
  const answer = await service.request({ url: pull, headers: { origin }, sender });
  expect(answer.status).toBe(200);
  expect(answer.headers.vary).toMatch(/\bOrigin\b/);
  for (const name of Object.keys({ ...refused.headers, ...answer.headers })) {
    expect(name).not.toMatch(/^access-control-/);
  }
});

test('without a list of origins, no answer has CORS headers', async () => {
  const answer = await preflight(push, listed, closed);
  expect(answer.statusCode).toBe(405);
  const pulled = await closed.request({ url: pull, headers: { origin: listed } });
  for (const name of Object.keys({ ...answer.headers, ...pulled.headers })) {
    expect(name).not.toMatch(/^access-control-/);
  }
  expect(String(pulled.headers.vary)).not.toMatch(/origin/i);
});
