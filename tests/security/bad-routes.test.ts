import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { refusalOf } from '../testkit/oracle/refusal.ts';
import { startWire, type Wire, type WireRequest } from '../testkit/wire.ts';
import { pushOf } from './refused.ts';

let wire: Wire;
beforeAll(async () => {
  wire = await startWire();
});
afterAll(() => wire.close());

const changes = '/api/sync/%63hanges';

describe('bad input: wrong method / path', () => {
  test.each<[what: string, request: WireRequest, status: number]>([
    [
      'a body that is no JSON, to a path for another method',
      { ...pushOf('{'), url: '/livez' },
      405,
    ],
    ['a body that is no JSON, to no path', { ...pushOf('{'), url: '/none' }, 404],
    [
      'an unknown encoding, to no path',
      { ...pushOf('{', { 'content-encoding': 'x' }), url: '/none' },
      404,
    ],
    ['a method with a body by nature', { method: 'QUERY', url: '/api/sync/changes' }, 405],
    ['a path of another spelling, for another method', { method: 'DELETE', url: changes }, 405],
    ['U+0000 below the API page', { url: '/docs/static/%00' }, 404],
  ])('%s: answered by its route, whatever its body', async (_what, request, status) => {
    const answer = await wire.send(request);
    expect(refusalOf(answer)).toMatchObject({
      status,
      code: status === 404 ? 'NOT_FOUND' : 'METHOD_NOT_ALLOWED',
    });
  });
});

test('an encoding of no body is no fault', async () => {
  const headers = { 'content-encoding': 'x' };
  expect((await wire.send({ url: '/livez', headers })).status).toBe(200);
});

test('a file of the API page comes whole, whatever range is asked for', async () => {
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
