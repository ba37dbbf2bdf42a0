import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());

test.each([
  ['/api/sync/changes', 200, undefined],
  ['/api/sync/changes', 401, { authorization: 'Bearer none' }],
  ['/nothing', 404, undefined],
  ['/livez', 200, undefined],
])('%s, answered %i, forbids execution, framing and sniffing', async (url, status, headers) => {
  const answer = await service.request({ url, ...(headers && { headers }) });
  expect(answer.status).toBe(status);
  expect(answer.headers).toMatchObject({
    'content-security-policy': "default-src 'none';frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
  });
  // The proxy that terminates TLS sets the first one. The others would show the server's software.
  for (const name of ['strict-transport-security', 'server', 'x-powered-by']) {
    expect(answer.headers).not.toHaveProperty(name);
  }
});

test('the API page has its own content security policy, which allows its scripts and styles', async () => {
  const page = await service.request({ url: '/docs/' });
  expect(page.status).toBe(200);
  const policy = String(page.headers['content-security-policy']);
  expect(policy).toContain("default-src 'self'");
  expect(policy).toContain("script-src 'self'");
  const parts = [...String(page.body).matchAll(/(?:src|href)="\.?\/?([^"]+\.(?:js|css))"/g)];
  expect(parts.length).toBeGreaterThan(2);
  for (const [, path = ''] of parts) {
    const part = await service.request({ url: new URL(path, 'http://h/docs/').pathname });
    expect(part.status).toBe(200);
    expect(part.headers['content-type']).toMatch(/javascript|css/);
  }
  expect(page.body).not.toMatch(/<script>|<style>|\son\w+=/);
});
