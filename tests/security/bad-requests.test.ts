import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { putNote } from '../testkit/events/sent-events.ts';
import { expectProblem } from '../testkit/app/expect-problem.ts';
import { createTenant } from '../testkit/app/tenant.ts';
import {
  startListeningApp,
  type ListeningApp,
  type ListeningAppRequest,
} from '../testkit/app/listening-app.ts';
import { pushOf, refused } from './refused.ts';

let wire: ListeningApp;
beforeAll(async () => {
  wire = await startListeningApp();
});
afterAll(() => wire.close());

const push = '/api/sync/events';
const pull = '/api/sync/changes';
const conflicts = '/api/sync/conflicts';
const resolution = `${conflicts}/k/resolution`;
const history = '/api/sync/entities/note/n1/events';
const receipts = '/api/sync/receipts';

const invalid = (path: string) => ({ status: 400, code: 'INVALID_QUERY', path });
const hundredAndOne = Array.from({ length: 101 }, () => 'a').join(',');

describe('bad input: limit 0, −1, 1e9, repeated', () => {
  test.each(
    [pull, conflicts, history].flatMap((path) =>
      [
        ...['0', '-1', '1001', '1e9', '1000000000', '1.5', '', 'ten', '10abc', '0x10', '%205'],
        ...['5%20', '%2B5', '%D9%A3', 'Infinity', 'NaN', '0000000000000005', '1%00'],
        ...['1&limit=1', '1&limit=', '1&%6Cimit=2'],
      ].map((limit) => `${path}?limit=${limit}`),
    ),
  )('%s', async (url) => {
    expect(await refused(wire, { url })).toEqual(invalid('limit'));
  });

  test.each<readonly [url: string, path: string]>([
    [`${pull}?limit[]=1`, 'limit[]'],
    [`${pull}?since=a&since=b`, 'since'],
    [`${pull}?entityTypes=`, 'entityTypes'],
    [`${pull}?entityTypes=note,`, 'entityTypes'],
    [`${pull}?entityTypes=a%20note`, 'entityTypes'],
    [`${pull}?entityTypes=note,%20note`, 'entityTypes'],
    [`${pull}?entityTypes=note&entityTypes=note`, 'entityTypes'],
    [`${pull}?tenant=t2`, 'tenant'],
    [`${pull}?Limit=5`, 'Limit'],
    [`${pull}?constructor=5`, 'constructor'],
    [`${pull}?__proto__=5`, '__proto__'],
    [`${pull}?${'x'.repeat(2000)}=5`, `${'x'.repeat(500)}…`],
    [`${conflicts}?limit=201`, 'limit'],
    [`${history}?limit=201`, 'limit'],
    [`${conflicts}?state=lost`, 'state'],
    [`${conflicts}?state=open&state=all`, 'state'],
    [`${conflicts}?entityType=`, 'entityType'],
    [`${conflicts}?entityId=a%00`, 'entityId'],
    [`${conflicts}?entityId=${'x'.repeat(201)}`, 'entityId'],
    [`${conflicts}?who=me`, 'who'],
    ...[
      [conflicts, 'after'],
      [history, 'before'],
    ].flatMap(([path, name = '']) =>
      ['-1', '1.5', '', 'a', '9007199254740992', '10000000000000000', `1&${name}=1`].map(
        (version) => [`${path}?${name}=${version}`, name] as const,
      ),
    ),
    [`${conflicts}?before=1`, 'before'],
    [`${history}?after=1`, 'after'],
    [`${history}?tenant=t2`, 'tenant'],
    [receipts, 'identityKeys'],
    [`${receipts}?identityKeys=`, 'identityKeys.0'],
    [`${receipts}?identityKeys=a,,b`, 'identityKeys.1'],
    [`${receipts}?identityKeys=a%00`, 'identityKeys.0'],
    [`${receipts}?identityKeys=%ff`, 'identityKeys'],
    [`${receipts}?identityKeys=%zz`, 'identityKeys'],
    [`${receipts}?identityKeys=${'x'.repeat(201)}`, 'identityKeys.0'],
    [`${receipts}?identityKeys=${hundredAndOne}`, 'identityKeys'],
    [`${receipts}?identityKeys=a&limit=1`, 'limit'],
    [`${receipts}?__proto__=a&identityKeys=a`, '__proto__'],
    [`${receipts}?constructor=a&identityKeys=a`, 'constructor'],
  ])('an invalid query: %s', async (url, path) => {
    expect(await refused(wire, { url })).toEqual(invalid(path));
  });

  test.each([
    [`${push}?include=everything`, 'include'],
    [`${push}?include=`, 'include'],
    [`${push}?include=results&include=results`, 'include'],
    [`${push}?tenant=t2`, 'tenant'],
    ['/api/events?include=nothing', 'include'],
    ['/api/events?tenant=t2', 'tenant'],
  ])('an invalid query of a push, which stores nothing: %s', async (url, path) => {
    const request = { ...pushOf({ events: [putNote('n1')] }), url };
    expect(await refused(wire, request)).toEqual(invalid(path));
  });
});

describe('bad input: wrong method / path', () => {
  test.each([
    ...['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'TRACE', 'PROPFIND'].flatMap((method) =>
      [push, '/api/events', resolution].map((url) => [method, url, ['POST']] as const),
    ),
    ...['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND'].flatMap((method) =>
      [pull, conflicts, `${conflicts}/k`, history, receipts, '/livez', '/readyz'].map(
        (url) => [method, url, ['GET', 'HEAD']] as const,
      ),
    ),
  ])('%s %s is not allowed', async (method, url, allowed) => {
    const answer = await wire.send({ method, url });
    expect(answer.status).toBe(405);
    expect(String(answer.headers.allow).split(', ').sort()).toEqual(allowed);
    if (method === 'HEAD') return;
    expect(expectProblem(answer)).toMatchObject({ code: 'METHOD_NOT_ALLOWED' });
  });

  test.each([
    '/',
    '/nothing-here',
    '/api',
    '/api/sync',
    '/api/sync/events/1',
    '/api/sync/events/',
    '/api/sync/EVENTS',
    '/api/sync//changes',
    '//api/sync/changes',
    '/api/sync/changes;limit=1',
    '/api/sync/changes%3Flimit=1',
    '/api/sync%2Fchanges',
    '/api/x/../sync/changes',
    '/api/sync/..%2f..%2fetc%2fpasswd',
    '/%2e%2e/%2e%2e/etc/passwd',
    "/api/sync/'%20OR%201=1%20--",
    '/%00',
    '/%',
    '/%zz',
    '/%c0%af',
    '/.git/config',
    '/.env',
    '/constructor',
    '/__proto__',
    '/docs/../../package.json',
    '/docs/static/..%2f..%2f..%2fpackage.json',
    '/docs/nothing',
    `/${'x'.repeat(8000)}`,
    `${conflicts}/`,
    `${conflicts}/%zz`,
    `${conflicts}/%00`,
    `${conflicts}/${'x'.repeat(201)}`,
    `${conflicts}/${'x'.repeat(4000)}`,
    `${conflicts}/none`,
    '/api/sync/entities/note//events',
    '/api/sync/entities/note/n1',
    '/api/sync/entities/note/%ED%A0%80/events',
    '/api/sync/entities/note/%00/events',
    '/api/sync/entities/a%0Ab/n1/events',
    `/api/sync/entities/note/${'x'.repeat(201)}/events`,
  ])('%s does not exist', async (url) => {
    expect(await refused(wire, { url })).toEqual({ status: 404, code: 'NOT_FOUND' });
  });

  test.each([`${conflicts}/none/resolution`, `${conflicts}/%zz/resolution`])(
    'POST %s does not exist',
    async (url) => {
      const request = { ...pushOf({ resolution: 'discard' }), url };
      expect(await refused(wire, request)).toEqual({ status: 404, code: 'NOT_FOUND' });
    },
  );

  test('equal requests get equal answers, except for the request id', async () => {
    const requests: ListeningAppRequest[] = [
      pushOf('{'),
      pushOf('{}', { 'content-type': 'text/plain' }),
      { url: `${pull}?limit=0` },
      { url: '/nothing-here' },
      { method: 'DELETE', url: pull },
    ];
    for (const request of requests) {
      const [first, second] = [await wire.send(request), await wire.send(request)];
      expect(expectProblem(first)).toEqual(expectProblem(second));
      expect(first.headers['x-request-id']).not.toBe(second.headers['x-request-id']);
    }
  });
});

describe("bad input: another tenant's entity", () => {
  let empty: ListeningApp;
  beforeAll(async () => {
    empty = await startListeningApp();
  });
  afterAll(() => empty.close());

  async function requestAsStranger(service: ListeningApp, request: ListeningAppRequest) {
    const stranger = await createTenant(service.service);
    const { status, body } = await service.send({ ...request, sender: stranger.sender() });
    // The two databases have different histories.
    const { checkpoint: _checkpoint, serverTime: _time, epoch: _epoch, ...rest } = body;
    return { status, rest };
  }

  /** Creates a note with two edits. The second one is a conflict. */
  async function createConflict() {
    const tenant = await createTenant(wire.service);
    const secret = { title: 'only theirs' };
    const lost = putNote('n1', { ...secret, body: 'B' }, { baseVersion: 0 });
    await tenant.push([
      { ...putNote('n1', secret), identityKey: 'won' },
      { ...lost, identityKey: 'lost' },
    ]);
    return tenant;
  }

  test.each<[what: string, request: ListeningAppRequest]>([
    ['its conflict', { url: `${conflicts}/lost` }],
    [
      'its resolution',
      { ...pushOf({ resolution: 'discard' }), url: `${conflicts}/lost/resolution` },
    ],
    ['its conflicts', { url: `${conflicts}?state=all` }],
    ['its history', { url: history }],
    ['its receipts', { url: `${receipts}?identityKeys=won,lost` }],
    ['its records', { url: pull }],
  ])('%s is answered as if it did not exist', async (_what, request) => {
    const theirs = await createConflict();
    const answer = await requestAsStranger(wire, request);
    expect(answer).toEqual(await requestAsStranger(empty, request));
    expect(JSON.stringify(answer)).not.toContain('only theirs');
    expect(await theirs.log()).toHaveLength(2);
  });

  test('an edit of it creates another entity in the sender’s own tenant', async () => {
    const [theirs, mine] = [await createConflict(), await createTenant(wire.service)];
    const sender = mine.sender();
    const patch = { identityKey: 'won', kind: 'note.patch', payload: { noteId: 'n1', body: 'x' } };
    const first = await wire.send({ ...pushOf({ events: [patch] }), sender });
    expect(first.body.failed).toMatchObject([{ code: 'NOT_FOUND' }]);
    const own = { ...putNote('n1', { title: 'mine' }), identityKey: 'won' };
    const second = await wire.send({ ...pushOf({ events: [own] }), sender });
    expect(second.body).toMatchObject({ processed: ['won'], failed: [] });
    expect(await theirs.record('n1')).toMatchObject({ version: 1, data: { title: 'only theirs' } });
    expect(await mine.record('n1')).toMatchObject({ version: 1, data: { title: 'mine' } });
  });
});
