import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ProblemCode } from '../../src/domain/errors.ts';
import { put } from '../testkit/oracle/events.ts';
import { refusalOf } from '../testkit/oracle/refusal.ts';
import { createTenant } from '../testkit/oracle/tenant.ts';
import { startApp, type TestApp } from '../testkit/app.ts';

let service: TestApp;
let port: number;
beforeAll(async () => {
  service = await startApp({ env: { LOG_LEVEL: 'debug' } });
  await service.app.listen({ host: '127.0.0.1', port: 0 });
  ({ port } = service.app.server.address() as AddressInfo);
});
afterAll(() => service.close());

/** For what hangs. */
const hangMs = 20_000;

/** Sends it as it stands, and resolves with all that came until the service closed the connection. */
async function exchange(text: string): Promise<readonly RawAnswer[]> {
  const socket = connect({ port, host: '127.0.0.1' });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => {});
  socket.setTimeout(hangMs, () => socket.destroy(new Error('it hangs')));
  socket.write(text);
  await once(socket, 'close');
  return parse(Buffer.concat(chunks).toString());
}

interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

function parse(text: string): readonly RawAnswer[] {
  if (text === '') return [];
  const [head, rest] = splitAt(text, '\r\n\r\n');
  const [line = '', ...fields] = head.split('\r\n');
  const headers = Object.fromEntries(
    fields.map((field) => {
      const [name, value] = splitAt(field, ': ');
      return [name.toLowerCase(), value];
    }),
  );
  const length = Number(headers['content-length'] ?? 0);
  const body = rest.slice(0, length);
  const answer = { status: Number(line.split(' ')[1]), headers, body: body && JSON.parse(body) };
  return [answer, ...parse(rest.slice(length))];
}

function splitAt(text: string, mark: string): readonly [string, string] {
  const place = text.indexOf(mark);
  return place < 0 ? [text, ''] : [text.slice(0, place), text.slice(place + mark.length)];
}

const host = 'Host: h\r\n';
const post = `POST /api/sync/events HTTP/1.1\r\n${host}Content-Type: application/json\r\n`;
const authorized = () => `Authorization: Bearer ${service.token()}\r\n`;

test.each<[string, () => string, ProblemCode]>([
  ['a line that is no request', () => 'HELLO\r\n\r\n', 'MALFORMED_REQUEST'],
  ['a method that nobody knows', () => `FOO / HTTP/1.1\r\n${host}\r\n`, 'MALFORMED_REQUEST'],
  ['a version that there is not', () => `GET / HTTP/9.9\r\n${host}\r\n`, 'MALFORMED_REQUEST'],
  ['TLS', () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'MALFORMED_REQUEST'],
  ['a header without a name', () => `GET / HTTP/1.1\r\n${host}: x\r\n\r\n`, 'MALFORMED_REQUEST'],
  ['a folded header', () => `GET / HTTP/1.1\r\n${host} x: y\r\n\r\n`, 'MALFORMED_REQUEST'],
  ['no Host', () => 'GET /livez HTTP/1.1\r\n\r\n', 'MALFORMED_REQUEST'],
  [
    'two lengths',
    () => `${post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
    'MALFORMED_REQUEST',
  ],
  ['a negative length', () => `${post}Content-Length: -2\r\n\r\n{}`, 'MALFORMED_REQUEST'],
  [
    'a length and chunks',
    () => `${post}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'MALFORMED_REQUEST',
  ],
  [
    'chunks that are not the last coding',
    () => `${post}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
    'MALFORMED_REQUEST',
  ],
  [
    'a chunk without a size',
    () => `${post}${authorized()}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n`,
    'MALFORMED_REQUEST',
  ],
  [
    'long headers',
    () => `GET / HTTP/1.1\r\n${host}x: ${'x'.repeat(20_000)}\r\n\r\n`,
    'HEADERS_TOO_LARGE',
  ],
  ['a long URL', () => `GET /${'x'.repeat(20_000)} HTTP/1.1\r\n${host}\r\n`, 'HEADERS_TOO_LARGE'],
  ['CONNECT', () => 'CONNECT db:5432 HTTP/1.1\r\nHost: db\r\n\r\n', 'MALFORMED_REQUEST'],
])('%s is refused as a problem, in one answer, and closed', async (_what, text, code) => {
  const before = service.logLines.length;
  const answers = await exchange(text());
  expect(answers).toHaveLength(1);
  const [answer] = answers as [RawAnswer];
  expect(refusalOf(answer).code).toBe(code);
  expect(answer.headers.connection).toBe('close');
  const lines = service.logLines
    .slice(before)
    .filter(({ reqId }) => reqId === answer.headers['x-request-id']);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({
    event: expect.stringMatching(/^(connection\.refused|request)$/),
    code,
  });
});

test('who goes on sending still gets to read why he was refused', async () => {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.pause();
  const errors: Error[] = [];
  socket.on('error', (error) => errors.push(error));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  for (let sent = 0; sent < 6; sent += 1) {
    socket.write('NONSENSE\r\n'.repeat(1_000));
    await sleep(30);
  }
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.resume();
  await closed;
  // A reset would have thrown away what some systems had not read yet.
  expect(errors).toEqual([]);
  const answers = parse(Buffer.concat(chunks).toString());
  expect(answers).toMatchObject([{ status: 400, body: { code: 'MALFORMED_REQUEST' } }]);
});

test('the answer to a request is not lost to the nonsense behind it, and is the last', async () => {
  const tenant = await createTenant(service);
  const body = JSON.stringify({ events: [put('n1')] });
  const request =
    `${post}Authorization: Bearer ${service.token(tenant.sender())}\r\n` +
    `Content-Length: ${body.length}\r\n\r\n${body}`;
  const answers = await exchange(`${request}NONSENSE\r\n\r\n${request}`);
  expect(answers).toMatchObject([{ status: 200, body: { success: true } }]);
  expect(answers[0]?.headers.connection).toBe('close');
  expect(await tenant.log()).toHaveLength(1);
});

test('requests that are sent at once are answered in their order, also where the last is broken', async () => {
  const read = `GET /livez HTTP/1.1\r\n${host}\r\n`;
  const answers = await exchange(
    `${read}${read}${post}${authorized()}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
  );
  expect(answers.slice(0, 2)).toMatchObject([{ status: 200 }, { status: 200 }]);
  expect(answers.slice(2).map(({ status }) => status)).toEqual([400]);
});

test.each(['100-continue', 'something-else'])('Expect: %s is no hindrance', async (expectation) => {
  const answers = await exchange(
    `${post}${authorized()}Expect: ${expectation}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}`,
  );
  expect(answers.at(-1)).toMatchObject({ status: 400, body: { code: 'INVALID_ENVELOPE' } });
});

test('a request that asks for another protocol is answered in this one', async () => {
  const answers = await exchange(
    `GET /livez HTTP/1.1\r\n${host}Connection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n`,
  );
  expect(answers).toMatchObject([{ status: 200, body: { status: 'ok' } }]);
});

test.each(['QUERY', 'PROPFIND', 'TRACE', 'PURGE'])('%s is not allowed', async (method) => {
  const path = '/api/sync/changes';
  const [answer] = await exchange(`${method} ${path} HTTP/1.1\r\n${host}Connection: close\r\n\r\n`);
  expect(answer).toMatchObject({ status: 405, body: { code: 'METHOD_NOT_ALLOWED' } });
  expect(answer?.headers.allow).toContain('GET');
});

test('HEAD is answered like GET without the body, and where there is no GET with what there is', async () => {
  const head = (path: string) =>
    service.app.inject({
      method: 'HEAD',
      url: path,
      headers: { authorization: `Bearer ${service.token()}` },
    });
  const pulled = await head('/api/sync/changes');
  expect([pulled.statusCode, pulled.body]).toEqual([200, '']);
  expect(pulled.headers.etag).toBeDefined();
  const pushed = await head('/api/sync/events');
  expect([pushed.statusCode, pushed.headers.allow]).toEqual([405, 'POST']);
});

test('a connection that breaks is told nothing, and not logged', async () => {
  const before = service.logLines.length;
  const socket = connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  socket.resetAndDestroy();
  expect(
    (await exchange(`GET /livez HTTP/1.1\r\n${host}Connection: close\r\n\r\n`))[0]?.status,
  ).toBe(200);
  const refused = service.logLines
    .slice(before)
    .filter(({ event }) => event === 'connection.refused');
  expect(refused).toEqual([]);
});

test('no time limit is left out, and each is shorter than the next', () => {
  const { server } = service.app;
  expect(server.headersTimeout).toBe(15_000);
  expect(server.requestTimeout).toBe(30_000);
  expect(server.timeout).toBe(60_000);
  expect(server.keepAliveTimeout).toBe(75_000);
  expect(service.app.hasPlugin('deadline')).toBe(true);
});
