import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { putNote } from '../testkit/events/sent-events.ts';
import { exchangeBytes } from '../testkit/network/raw-connection.ts';
import { startListeningApp, type ListeningApp } from '../testkit/app/listening-app.ts';

/*
 * Invalid or ambiguous HTTP on a socket. Each test sends a valid push after or inside the invalid part. The
 * push would be stored if the service took it for a request.
 */

const maxBytes = 4096;

let wire: ListeningApp;
let pushed = '';
let authorization = '';
beforeAll(async () => {
  wire = await startListeningApp({ env: { MAX_BODY_BYTES: `${maxBytes}` } });
  authorization = `Authorization: Bearer ${wire.service.token()}`;
  const body = JSON.stringify({ events: [putNote('n1')] });
  pushed = post([authorization, `Content-Length: ${body.length}`, 'Connection: close'], body);
});
afterAll(() => wire.close());

const crlf = '\r\n';
const head = (line: string, ...headers: readonly string[]) =>
  [line, 'Host: landfall', ...headers, '', ''].join(crlf);
const post = (headers: readonly string[], body = '') =>
  head('POST /api/sync/events HTTP/1.1', 'Content-Type: application/json', ...headers) + body;
const chunked = (body: string) =>
  `${Buffer.byteLength(body, 'latin1').toString(16)}${crlf}${body}${crlf}0${crlf}${crlf}`;
const probe = head('GET /livez HTTP/1.1', 'Connection: close');

/** The statuses of all answers until the socket closes. Checks that nothing was stored and nothing failed. */
async function statuses(...parts: readonly (string | Buffer)[]): Promise<readonly number[]> {
  return (await send(parts)).statuses;
}

async function send(parts: readonly (string | Buffer)[], hangUp = false) {
  const answer = await exchangeBytes(wire.port, parts, { hangUp });
  expect(await deleteEvents()).toBe(0);
  expect(wire.service.logLines.filter(({ level }) => level === 'error')).toEqual([]);
  expect((await wire.send({ url: '/livez' })).status).toBe(200);
  return answer;
}

/** Deletes all events. @returns their number */
async function deleteEvents(): Promise<number> {
  await wire.service.sql('DELETE FROM records');
  return (await wire.service.sql('DELETE FROM events RETURNING version')).length;
}

test('the push that the tests send is valid: it is stored after a valid request', async () => {
  const answer = await exchangeBytes(wire.port, [head('GET /livez HTTP/1.1') + pushed]);
  expect(answer.statuses).toEqual([200, 200]);
  expect(await deleteEvents()).toBe(1);
});

describe('a request with an ambiguous length is refused, and the connection is closed', () => {
  const te = 'Transfer-Encoding: chunked';
  test.each<[what: string, headers: readonly string[]]>([
    ['Content-Length and Transfer-Encoding', ['Content-Length: 5', te]],
    ['Transfer-Encoding and Content-Length', [te, 'Content-Length: 5']],
    ['two Content-Lengths', ['Content-Length: 5', 'Content-Length: 6']],
    ['the same Content-Length twice', ['Content-Length: 5', 'Content-Length: 5']],
    ['a list of Content-Lengths', ['Content-Length: 5, 5']],
    ['a negative Content-Length', ['Content-Length: -5']],
    ['a Content-Length with a sign', ['Content-Length: +5']],
    ['a Content-Length in hexadecimal', ['Content-Length: 0x5']],
    ['a Content-Length with a fraction', ['Content-Length: 5.0']],
    ['a Content-Length without digits', ['Content-Length: ']],
    ['a Content-Length beyond 64 bits', ['Content-Length: 99999999999999999999999']],
    ['chunked twice', [te, te]],
    ['chunked, then identity', ['Transfer-Encoding: chunked, identity']],
    ['identity', ['Transfer-Encoding: identity']],
    ['an unknown encoding', ['Transfer-Encoding: xchunked']],
    ['quotes', ['Transfer-Encoding: "chunked"']],
    ['a vertical tab', ['Transfer-Encoding: \u000bchunked']],
    ['a space before the colon', ['Transfer-Encoding : chunked']],
    ['a line break before the colon', ['Transfer-Encoding\n: chunked']],
    ['a folded header', ['X-Folded: a', ` ${te}`]],
    ['a bare CR', [`X-Bare: a\r${te}`]],
  ])('%s', async (_what, headers) => {
    expect(await statuses(post([authorization, ...headers], chunked('{}')) + pushed)).toEqual([
      400,
    ]);
  });

  test.each<[what: string, body: string]>([
    ['no number', `zz${crlf}{}${crlf}0${crlf}${crlf}`],
    ['a sign', `-2${crlf}{}${crlf}0${crlf}${crlf}`],
    ['hexadecimal with its prefix', `0x2${crlf}{}${crlf}0${crlf}${crlf}`],
    ['a size beyond 64 bits', `FFFFFFFFFFFFFFFFF${crlf}{}${crlf}`],
    ['less than there is', `1${crlf}{}${crlf}0${crlf}${crlf}`],
    ['bare LF', '2\n{}\n0\n\n'],
    ['no size', `${crlf}{}${crlf}0${crlf}${crlf}`],
  ])('a chunk with an invalid size: %s', async (_what, body) => {
    const answers = await statuses(post([authorization, te], body) + pushed);
    expect(answers).toEqual([400]);
  });

  test('a chunk with 20 kB of extensions', async () => {
    const body = `2;${'x'.repeat(20_000)}${crlf}{}${crlf}0${crlf}${crlf}`;
    expect([[400], [413]]).toContainEqual(await statuses(post([authorization, te], body) + pushed));
  });
});

describe('a body is never read as a request', () => {
  const length = () => `Content-Length: ${pushed.length}`;
  test.each<[what: string, request: () => string, answers: readonly number[]]>([
    ['without a token', () => post([length()], pushed), [401, 200]],
    ['that is no JSON', () => post([authorization, length()], pushed), [400]],
    ['to an unknown path', () => head('POST /none HTTP/1.1', length()) + pushed, [404, 200]],
    ['with a wrong method', () => head('PUT /livez HTTP/1.1', length()) + pushed, [405, 200]],
    ['of a GET', () => head('GET /livez HTTP/1.1', length()) + pushed, [200, 200]],
    ['of a HEAD', () => head('HEAD /livez HTTP/1.1', length()) + pushed, [200, 200]],
    ['of a DELETE', () => head('DELETE /livez HTTP/1.1', length()) + pushed, [405, 200]],
    [
      'of a GET, in chunks',
      () => head('GET /livez HTTP/1.1', 'Transfer-Encoding: chunked') + chunked(pushed),
      [200, 200],
    ],
    [
      'with a header name with an underscore',
      () => post([authorization, 'Transfer_Encoding: chunked', length()], pushed),
      [400],
    ],
  ])('%s', async (_what, request, answers) => {
    expect(await statuses(request() + probe)).toEqual(answers);
  });

  test.each<[what: string, request: (body: string) => string]>([
    ['by its length', (body) => post([authorization, `Content-Length: ${maxBytes + 1}`], body)],
    ['in chunks', (body) => post([authorization, 'Transfer-Encoding: chunked'], chunked(body))],
    ['that is incomplete', (body) => post([authorization, `Content-Length: ${2 ** 40}`], body)],
  ])('beyond the size limit: %s', async (_what, request) => {
    expect(await statuses(request(pushed.padEnd(maxBytes + 1)))).toEqual([413]);
  });

  test('a client with Expect: 100-continue is told not to send a body beyond the limit', async () => {
    const headers = [authorization, `Content-Length: ${2 ** 40}`, 'Expect: 100-continue'];
    expect((await statuses(post(headers))).at(-1)).toBe(413);
  });

  test.each<[what: string, headers: readonly string[], body: string | Buffer]>([
    ['by its length', ['Content-Length: 100'], '{"events":['],
    ['in chunks', ['Transfer-Encoding: chunked'], `64${crlf}{"events":[`],
    ['between chunks', ['Transfer-Encoding: chunked'], `2${crlf}{}${crlf}`],
    [
      'compressed',
      ['Content-Length: 100', 'Content-Encoding: gzip'],
      gzipSync('{}').subarray(0, 12),
    ],
  ])('a truncated body is not decided: %s', async (_what, headers, body) => {
    const parts = [post([authorization, ...headers]), body];
    const answer = await send(parts, true);
    expect([[], [400]]).toContainEqual(answer.statuses);
  });
});

describe('input that is no valid HTTP/1.1 is refused, and the connection is closed', () => {
  test.each<[what: string, bytes: string | Buffer, status: number]>([
    ['the preface of HTTP/2', `PRI * HTTP/2.0${crlf}${crlf}SM${crlf}${crlf}`, 400],
    ['the hello of TLS', Buffer.from('16030100f8010000f40303', 'hex'), 400],
    ['SSH', `SSH-2.0-OpenSSH_9.9${crlf}`, 400],
    ['zeros', Buffer.alloc(100), 400],
    ['a method in lower case', head('get /livez HTTP/1.1'), 400],
    ['an unknown method', head('FETCH /livez HTTP/1.1'), 400],
    ['bare LF', 'GET /livez HTTP/1.1\nHost: landfall\n\n', 400],
    ['two spaces', head('GET  HTTP/1.1'), 400],
    ['a tab', head('GET\t/livez\tHTTP/1.1'), 400],
    ['NUL in the path', head('GET /livez\u0000 HTTP/1.1'), 400],
    ['a space in the path', head("GET /api/sync/' OR 1=1 -- HTTP/1.1"), 400],
    ['bytes over 127 in the path', head('GET /\u00ff\u00fe HTTP/1.1'), 400],
    ['an unknown version', head('GET /livez HTTP/3.7'), 400],
    ['NUL in a header', head('GET /livez HTTP/1.1', 'X: a\u0000b'), 400],
    ['a header without a colon', head('GET /livez HTTP/1.1', 'nothing'), 400],
    ['a header without a name', head('GET /livez HTTP/1.1', ': x'), 400],
    ['a header of 20 kB', head('GET /livez HTTP/1.1', `X: ${'x'.repeat(20_000)}`), 431],
    [
      '2000 headers',
      head('GET /livez HTTP/1.1', ...Array.from({ length: 2000 }, () => 'Xxxxxx: y')),
      431,
    ],
    ['a URL of 20 kB', head(`GET /${'x'.repeat(20_000)} HTTP/1.1`), 431],
  ])('%s', async (_what, bytes, status) => {
    const answer = await send([bytes, pushed], true);
    expect(answer.statuses).toEqual([status]);
    expect(answer.text).not.toMatch(/HPE_|node|fastify|stack/i);
  });

  test('a complete request without Host', async () => {
    const bytes = `GET /livez HTTP/1.1${crlf}Connection: close${crlf}${crlf}`;
    expect(await statuses(bytes)).toEqual([400]);
  });

  test.each<[what: string, bytes: string]>([
    ['HTTP/0.9', `GET /livez${crlf}`],
    ['half a line', 'GET /liv'],
    ['half a header', `GET /livez HTTP/1.1${crlf}Host: la`],
    ['nothing', ''],
    ['a tunnel', `CONNECT landfall:443 HTTP/1.1${crlf}Host: landfall:443${crlf}${crlf}`],
  ])('%s gets a refusal or no answer', async (_what, bytes) => {
    const answer = await send([bytes], true);
    expect([[], [400], [405]]).toContainEqual(answer.statuses);
  });

  test('an unknown expectation is refused or ignored', async () => {
    const [status] = await statuses(
      head('GET /livez HTTP/1.1', 'Expect: nothing', 'Connection: close'),
    );
    expect([200, 417]).toContain(status);
  });

  test.each<[what: string, line: string, headers: readonly string[], status: number]>([
    ['the absolute form', 'GET http://elsewhere/livez HTTP/1.1', [], 200],
    [
      'the absolute form without a token',
      'GET http://elsewhere/api/sync/changes HTTP/1.1',
      [],
      401,
    ],
    ['an encoded path without a token', 'GET /api/sync/%63hanges HTTP/1.1', [], 401],
    ['the server as a whole', 'OPTIONS * HTTP/1.1', [], 404],
    [
      'an upgrade',
      'GET /livez HTTP/1.1',
      ['Upgrade: websocket', 'Connection: Upgrade, close'],
      200,
    ],
  ])('an unusual but valid request is answered: %s', async (_what, line, headers, status) => {
    expect(await statuses(head(line, ...headers, 'Connection: close'))).toEqual([status]);
  });
});
