import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectProblem } from '../testkit/app/expect-problem.ts';
import {
  startListeningApp,
  type ListeningApp,
  type ListeningAppRequest,
} from '../testkit/app/listening-app.ts';
import { pushOf } from './refused.ts';

let wire: ListeningApp;
beforeAll(async () => {
  wire = await startListeningApp();
});
afterAll(() => wire.close());

const changes = '/api/sync/%63hanges';

describe('bad input: wrong method / path', () => {
  test.each<[what: string, request: ListeningAppRequest, status: number]>([
    [
      'a body that is no JSON, to a path without this method',
      { ...pushOf('{'), url: '/livez' },
      405,
    ],
    ['a body that is no JSON, to an unknown path', { ...pushOf('{'), url: '/none' }, 404],
    [
      'an unknown encoding, to an unknown path',
      { ...pushOf('{', { 'content-encoding': 'x' }), url: '/none' },
      404,
    ],
    ['a method that requires a body', { method: 'QUERY', url: '/api/sync/changes' }, 405],
    ['a percent-encoded path, with a wrong method', { method: 'DELETE', url: changes }, 405],
    ['U+0000 below the API page', { url: '/docs/static/%00' }, 404],
  ])('%s: the answer depends on the route only', async (_what, request, status) => {
    const answer = await wire.send(request);
    expect(expectProblem(answer)).toMatchObject({
      status,
      code: status === 404 ? 'NOT_FOUND' : 'METHOD_NOT_ALLOWED',
    });
  });
});

test('Content-Encoding without a body is ignored', async () => {
  const headers = { 'content-encoding': 'x' };
  expect((await wire.send({ url: '/livez', headers })).status).toBe(200);
});

test('a file of the API page is sent completely for every Range header', async () => {
  for (const range of ['bytes=99999999-', 'bytes=0-9', 'lines=1']) {
    const { status, headers } = await wire.service.app
      .inject({
        url: '/docs/static/index.css',
        headers: { range },
      })
      .then((answer) => ({ status: answer.statusCode, headers: answer.headers }));
    expect({ range, status }).toEqual({ range, status: 200 });
    expect(Number(headers['content-length'])).toBeGreaterThan(10);
  }
});
