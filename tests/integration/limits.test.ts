import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectProblem } from '../testkit/app/expect-problem.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

let service: TestApp;
beforeAll(async () => {
  service = await startApp();
});
afterAll(() => service.close());

const lists = [
  ['a page of changes', '/api/sync/changes', 1000],
  ['a list of conflicts', '/api/sync/conflicts', 200],
  ['a history', '/api/sync/entities/note/n1/events', 200],
] as const;

test.each(lists)('%s accepts a limit up to its maximum', async (_what, url, max) => {
  for (const limit of [1, max]) {
    expect((await service.request({ url: `${url}?limit=${limit}` })).status).toBe(200);
  }
});

/** tests/security/bad-requests.test.ts has the other invalid limits. */
test.each(lists)(
  '%s refuses a limit above its maximum, and names the maximum',
  async (_what, url, max) => {
    const answer = await service.request({ url: `${url}?limit=${max + 1}` });
    expect(expectProblem(answer)).toMatchObject({
      status: 400,
      code: 'INVALID_QUERY',
      path: 'limit',
    });
    expect(answer.body.detail).toBe(`must be a whole number from 1 to ${max}`);
  },
);

test('a request for too many receipts is refused, and the answer names the maximum', async () => {
  const keys = Array.from({ length: 101 }, (_, at) => `k${at}`).join();
  const answer = await service.request({ url: `/api/sync/receipts?identityKeys=${keys}` });
  expect(expectProblem(answer)).toMatchObject({ status: 400, code: 'INVALID_QUERY' });
  expect(answer.body.detail).toContain('at most 100 keys');
});
