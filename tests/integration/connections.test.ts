import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ProblemCode } from '../../src/domain/errors.ts';
import { putNote } from '../testkit/events/sent-events.ts';
import { expectProblem } from '../testkit/app/expect-problem.ts';
import { createTenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';

let service: TestApp;
let port: number;
beforeAll(async () => {
  service = await startApp({ env: { LOG_LEVEL: 'debug' } });
  await service.app.listen({ host: '127.0.0.1', port: 0 });
  ({ port } = service.app.server.address() as AddressInfo);
});
afterAll(() => service.close());

/** The time after which a test gives up waiting for the service. */
const hangMs = 20_000;

/** Sends the text, and resolves with all answers when the service has closed the connection. */
async function exchange(text: string): Promise<readonly RawAnswer[]> {
  const socket = connect({ port, host: '127.0.0.1' });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => {});
  socket.setTimeout(hangMs, () =>
    socket.destroy(new Error('the service does not close the connection')),
  );
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

function splitAt(text: string, separator: string): readonly [string, string] {
  const index = text.indexOf(separator);
  return index < 0 ? [text, ''] : [text.slice(0, index), text.slice(index + separator.length)];
}

const host = 'Host: h\r\n';
const post = `POST /api/sync/events HTTP/1.1\r\n${host}Content-Type: application/json\r\n`;
const authorized = () => `Authorization: Bearer ${service.token()}\r\n`;

test.each<[string, () => string, ProblemCode]>([
  ['a line that is no HTTP request', () => 'HELLO\r\n\r\n', 'MALFORMED_REQUEST'],
  ['an unknown method', () => `FOO / HTTP/1.1\r\n${host}\r\n`, 'MALFORMED_REQUEST'],
  ['an unknown HTTP version', () => `GET / HTTP/9.9\r\n${host}\r\n`, 'MALFORMED_REQUEST'],
  ['a TLS handshake', () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'MALFORMED_REQUEST'],
  ['a header without a name', () => `GET / HTTP/1.1\r\n${host}: x\r\n\r\n`, 'MALFORMED_REQUEST'],
  ['a folded header', () => `GET / HTTP/1.1\r\n${host} x: y\r\n\r\n`, 'MALFORMED_REQUEST'],
  ['a request without Host', () => 'GET /livez HTTP/1.1\r\n\r\n', 'MALFORMED_REQUEST'],
  [
    'two Content-Length headers',
    () => `${post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
    'MALFORMED_REQUEST',
  ],
  ['a negative Content-Length', () => `${post}Content-Length: -2\r\n\r\n{}`, 'MALFORMED_REQUEST'],
  [
    'Content-Length together with chunks',
    () => `${post}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'MALFORMED_REQUEST',
  ],
  [
    'chunks that are not the last transfer coding',
    () => `${post}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
    'MALFORMED_REQUEST',
  ],
  [
    'a chunk without a size',
    () => `${post}${authorized()}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n`,
    'MALFORMED_REQUEST',
  ],
  [
    'headers beyond the maximum',
    () => `GET / HTTP/1.1\r\n${host}x: ${'x'.repeat(20_000)}\r\n\r\n`,
    'HEADERS_TOO_LARGE',
  ],
  [
    'a URL beyond the maximum',
    () => `GET /${'x'.repeat(20_000)} HTTP/1.1\r\n${host}\r\n`,
    'HEADERS_TOO_LARGE',
  ],
  ['CONNECT', () => 'CONNECT db:5432 HTTP/1.1\r\nHost: db\r\n\r\n', 'MALFORMED_REQUEST'],
])('%s is refused with one problem, and the connection is closed', async (_what, text, code) => {
  const before = service.logLines.length;
  const answers = await exchange(text());
  expect(answers).toHaveLength(1);
  const [answer] = answers as [RawAnswer];
  expect(expectProblem(answer).code).toBe(code);
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

/** Sends the texts while it reads nothing, then reads until the service closes the connection. */
async function sendThenRead(...texts: readonly string[]) {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.pause();
  const errors: Error[] = [];
  socket.on('error', (error) => errors.push(error));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  for (const text of texts) {
    socket.write(text);
    await sleep(30);
  }
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.resume();
  await closed;
  return { errors, answers: parse(Buffer.concat(chunks).toString()) };
}

test('a client that keeps sending after its refusal still receives the refusal', async () => {
  const nonsense = 'NONSENSE\r\n'.repeat(1_000);
  const { errors, answers } = await sendThenRead(...Array.from({ length: 6 }, () => nonsense));
  // After a reset, some operating systems would discard an answer that the client has not read yet.
  expect(errors).toEqual([]);
  expect(answers).toMatchObject([{ status: 400, body: { code: 'MALFORMED_REQUEST' } }]);
});

test('a client that is answered before its body is complete still receives the answer', async () => {
  const head = `${post}${authorized()}Connection: close\r\nContent-Length: 100000000\r\n\r\n`;
  const part = 'x'.repeat(10_000);
  const { errors, answers } = await sendThenRead(head, ...Array.from({ length: 6 }, () => part));
  expect(errors).toEqual([]);
  expect(answers).toMatchObject([{ status: 413, body: { code: 'BODY_TOO_LARGE' } }]);
});

test('a valid request before invalid input is answered, and its answer is the last one', async () => {
  const tenant = await createTenant(service);
  const body = JSON.stringify({ events: [putNote('n1')] });
  const request =
    `${post}Authorization: Bearer ${service.token(tenant.sender())}\r\n` +
    `Content-Length: ${body.length}\r\n\r\n${body}`;
  const answers = await exchange(`${request}NONSENSE\r\n\r\n${request}`);
  expect(answers).toMatchObject([{ status: 200, body: { success: true } }]);
  expect(answers[0]?.headers.connection).toBe('close');
  expect(await tenant.log()).toHaveLength(1);
});

test('pipelined requests are answered in order, also if the last one is invalid', async () => {
  const read = `GET /livez HTTP/1.1\r\n${host}\r\n`;
  const answers = await exchange(
    `${read}${read}${post}${authorized()}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
  );
  expect(answers.slice(0, 2)).toMatchObject([{ status: 200 }, { status: 200 }]);
  expect(answers.slice(2).map(({ status }) => status)).toEqual([400]);
});

test.each(['100-continue', 'something-else'])(
  'a request with Expect: %s is answered like any other',
  async (expectation) => {
    const answers = await exchange(
      `${post}${authorized()}Expect: ${expectation}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}`,
    );
    expect(answers.at(-1)).toMatchObject({ status: 400, body: { code: 'INVALID_ENVELOPE' } });
  },
);

test('a request for a protocol upgrade is answered over HTTP/1.1', async () => {
  const answers = await exchange(
    `GET /livez HTTP/1.1\r\n${host}Connection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n`,
  );
  expect(answers).toMatchObject([{ status: 200, body: { status: 'ok' } }]);
});

test.each(['QUERY', 'PROPFIND', 'TRACE', 'PURGE'])(
  'the method %s is not allowed',
  async (method) => {
    const path = '/api/sync/changes';
    const [answer] = await exchange(
      `${method} ${path} HTTP/1.1\r\n${host}Connection: close\r\n\r\n`,
    );
    expect(answer).toMatchObject({ status: 405, body: { code: 'METHOD_NOT_ALLOWED' } });
    expect(answer?.headers.allow).toContain('GET');
  },
);

test('HEAD is answered like GET without a body, and with the allowed methods if the path has no GET', async () => {
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

test('a connection that the client resets is not logged as refused', async () => {
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

test('every time limit of the server is set, and each is shorter than the next one', () => {
  const { server } = service.app;
  expect(server.headersTimeout).toBe(15_000);
  expect(server.requestTimeout).toBe(30_000);
  expect(server.timeout).toBe(60_000);
  expect(server.keepAliveTimeout).toBe(75_000);
  expect(service.app.hasPlugin('deadline')).toBe(true);
});
