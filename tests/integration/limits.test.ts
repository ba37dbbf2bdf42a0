import { afterAll, beforeAll, expect, test } from 'vitest';
import { refusalOf } from '../testkit/oracle/refusal.ts';
import { startApp, type TestApp } from '../testkit/app.ts';

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

test.each(lists)('%s takes a limit up to its maximum', async (_what, url, max) => {
  for (const limit of [1, max]) {
    expect((await service.request({ url: `${url}?limit=${limit}` })).status).toBe(200);
  }
});

test.each(
  lists.flatMap(([what, url, max]) =>
    ['0', `${max + 1}`, '9999', '99999999999999999999', '-1', '1.5', '1e2', '', 'ten'].map(
      (limit) => [what, limit, url, max] as const,
    ),
  ),
)('%s with the limit %j is refused, and the maximum is said', async (_what, limit, url, max) => {
  const answer = await service.request({ url: `${url}?limit=${limit}` });
  expect(refusalOf(answer)).toMatchObject({ status: 400, code: 'INVALID_QUERY', path: 'limit' });
  expect(answer.body.detail).toBe(`must be a whole number from 1 to ${max}`);
});

test('receipts of more keys than may be asked for are refused, and the maximum is said', async () => {
  const keys = Array.from({ length: 101 }, (_, at) => `k${at}`).join();
  const answer = await service.request({ url: `/api/sync/receipts?identityKeys=${keys}` });
  expect(refusalOf(answer)).toMatchObject({ status: 400, code: 'INVALID_QUERY' });
  expect(answer.body.detail).toContain('at most 100 keys');
});
