import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { FastifyInstance, RouteOptions } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { putNote } from '../testkit/events/sent-events.ts';
import { expectProblem } from '../testkit/app/expect-problem.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { forge, hmac, inAnHour } from './forgeries.ts';

/** The routes without authentication. Every other route needs a token with a scope. */
const publicRoutes = /^\/(livez|readyz|docs(\/.*)?)$/;

const requiredScopes: { readonly [route: string]: string } = {
  'POST /api/sync/events': 'sync:push',
  'POST /api/events': 'sync:push',
  'GET /api/sync/changes': 'sync:pull',
  'GET /api/sync/conflicts': 'sync:pull',
  'GET /api/sync/conflicts/:identityKey': 'sync:pull',
  'POST /api/sync/conflicts/:identityKey/resolution': 'sync:push',
  'GET /api/sync/entities/:type/:id/events': 'sync:pull',
  'GET /api/sync/receipts': 'sync:pull',
};

const routes: RouteOptions[] = [];
let service: TestApp;
beforeAll(async () => {
  const listen = (message: unknown) =>
    (message as { fastify: FastifyInstance }).fastify.addHook('onRoute', (route) => {
      routes.push(route);
    });
  subscribe('fastify.initialization', listen);
  service = await startApp();
  unsubscribe('fastify.initialization', listen);
});
afterAll(() => service.close());

const routeNames = () =>
  routes.flatMap(({ method, url }) => [method].flat().map((name) => `${name} ${url}`));

test('every route is in the list of public routes or has a scope', () => {
  const unscoped = routes.filter(({ config }) => config?.scope === undefined);
  expect(unscoped.map(({ url }) => url).filter((url) => !publicRoutes.test(url))).toEqual([]);
  expect(routes.filter(({ url }) => publicRoutes.test(url)).every((r) => !r.config?.scope)).toBe(
    true,
  );
});

test('the table of required scopes has every route of the app', () => {
  const gets = Object.keys(requiredScopes).filter((route) => route.startsWith('GET'));
  const heads = gets.map((route) => route.replace('GET', 'HEAD'));
  const scoped = routeNames().filter((route) => !publicRoutes.test(route.split(' ')[1] ?? ''));
  expect(new Set(scoped)).toEqual(new Set([...Object.keys(requiredScopes), ...heads]));
});

describe.each(Object.entries(requiredScopes))('%s', (route, needed) => {
  const [method, pattern] = route.split(' ') as ['GET' | 'POST', string];
  const url = pattern.replaceAll(/:\w+/g, 'none');

  test('refuses a request without a token', async () => {
    const answer = await service.request({ method, url, headers: { authorization: 'none' } });
    expect(expectProblem(answer)).toMatchObject({ status: 401, code: 'AUTH_REQUIRED' });
  });

  const other = needed === 'sync:push' ? 'sync:pull' : 'sync:push';
  test.each([
    '',
    other,
    'sync',
    'sync:*',
    '*',
    `${needed}s`,
    needed.toUpperCase(),
    `${other},${needed}`,
    'colony:admin',
  ])('refuses a token with the scope %j', async (scope) => {
    const sender = { tenant: 'scoped', scope };
    const body = { events: [putNote('n1')] };
    const answer = await service.request({
      method,
      url,
      sender,
      ...(method === 'POST' && { body }),
    });
    expect(expectProblem(answer)).toMatchObject({ status: 403, code: 'FORBIDDEN' });
    expect(await service.sql("SELECT 1 FROM event_log WHERE tenant_id = 'scoped'")).toEqual([]);
  });

  test(`accepts a token with the scope ${needed}`, async () => {
    for (const scope of [needed, `openid ${needed} ${other}`]) {
      const answer = await service.request({ method, url, sender: { tenant: 'scoped', scope } });
      expect([401, 403]).not.toContain(answer.status);
    }
  });
});

test('HEAD needs the same scope as GET', async () => {
  const authorization = `Bearer ${service.token({ scope: 'sync:push' })}`;
  const answer = await service.app.inject({
    ...{ method: 'HEAD', url: '/api/sync/changes', headers: { authorization } },
  });
  expect(answer.statusCode).toBe(403);
});

test('tenants are compared by their exact text', async () => {
  const titles = [];
  const tenants = ['shop', 'Shop', 'shop ', "shop' --", '%', 'sh\u00f6p', 'sho\u0308p'];
  for (const tenant of tenants) {
    const { processed } = await service.push([putNote('n1', { title: tenant })], {}, { tenant });
    expect(processed).toHaveLength(1);
  }
  for (const tenant of tenants) {
    const { changes } = await service.pull({}, { tenant });
    titles.push(changes.map(({ data }) => data?.title));
  }
  expect(titles).toEqual(tenants.map((tenant) => [tenant]));
});

test('the last one of two equal claims counts', async () => {
  await service.push([putNote('n1')], {}, { tenant: 'last' });
  const { auth } = service.config;
  const signer = hmac(auth.mode === 'secret' ? auth.secret : '');
  const claims = `{"tenant":"first","scope":"sync:pull","exp":${inAnHour},"tenant":"last"}`;
  const headers = { authorization: `Bearer ${forge(signer, claims)}` };
  const { body } = await service.request({ url: '/api/sync/changes', headers });
  expect(body.changes).toHaveLength(1);
});
