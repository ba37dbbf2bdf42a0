import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { listenOnFreePort } from '../testkit/app/listening-app.ts';
import { openConnection, type RawConnection } from '../testkit/network/raw-connection.ts';

const maxBytes = 4096;

let service: TestApp;
let port: number;
beforeAll(async () => {
  service = await startApp({ env: { MAX_BODY_BYTES: `${maxBytes}` } });
  port = await listenOnFreePort(service.app);
});
afterAll(() => service.close());

const connections: RawConnection[] = [];
afterEach(() => {
  for (const connection of connections.splice(0)) connection.reset();
});

async function begin(...headers: readonly string[]): Promise<RawConnection> {
  const connection = await openConnection(port);
  connections.push(connection);
  const head = [
    'POST /api/sync/events HTTP/1.1',
    'Host: h',
    `Authorization: Bearer ${service.token()}`,
    'Content-Type: application/json',
    'Transfer-Encoding: chunked',
    ...headers,
  ];
  connection.write(`${head.join('\r\n')}\r\n\r\n`);
  return connection;
}

const chunk = (data: Buffer, extension = '') =>
  Buffer.concat([
    Buffer.from(`${data.length.toString(16)}${extension}\r\n`),
    data,
    Buffer.from('\r\n'),
  ]);

const tooLarge = { status: 413, body: { code: 'BODY_TOO_LARGE', maxBytes } };

describe('bad input: a body that goes on without end and holds next to nothing', () => {
  /** The start of a stream, and a part that can be repeated endlessly and decodes to nothing. */
  test.each<[what: string, coding: string, start: Buffer, repeated: Buffer]>([
    ['blocks of gzip', 'gzip', gzipSync('').subarray(0, 10), Buffer.from('000000ffff', 'hex')],
    ['blocks of x-gzip', 'X-GZIP', gzipSync('').subarray(0, 10), Buffer.from('000000ffff', 'hex')],
    ['members of gzip', 'gzip', Buffer.alloc(0), gzipSync('')],
    ['blocks of deflate', 'deflate', Buffer.from('789c', 'hex'), Buffer.from('000000ffff', 'hex')],
    ['metablocks of br', 'br', Buffer.from('0c', 'hex'), Buffer.from('06', 'hex')],
    ['blocks of zstd', 'zstd', Buffer.from('28b52ffd0000', 'hex'), Buffer.from('000000', 'hex')],
  ])('%s', async (_what, coding, start, repeated) => {
    const connection = await begin(`Content-Encoding: ${coding}`);
    // The body has one byte too many and no end. A service that waits for its end would wait forever.
    const body = Buffer.concat([start, Buffer.alloc(maxBytes + 1, repeated)]).subarray(
      0,
      maxBytes + 1,
    );
    for (let at = 0; at < body.length; at += 100) {
      connection.write(chunk(body.subarray(at, at + 100)));
    }
    expect(await connection.answer()).toMatchObject(tooLarge);
  });

  test('chunks of one byte, each with an extension', async () => {
    const connection = await begin();
    const chunkWithExtension = chunk(Buffer.from(' '), `;x="${'y'.repeat(10_000)}"`);
    const answer = connection.answer();
    const isAnswered = answer.then(() => true);
    // The answer must come after a twentieth of the chunks that the size limit of the body alone would allow.
    for (let sent = 0; sent < maxBytes / 20; sent += 1) {
      connection.write(chunkWithExtension);
      if (await Promise.race([isAnswered, sleep(1, false)])) break;
    }
    expect(await answer).toMatchObject(tooLarge);
  });

  test('trailer fields after the last chunk', async () => {
    const connection = await begin();
    connection.write(chunk(Buffer.from('{"events":[]}')));
    connection.write('0\r\n');
    for (let at = 0; at < 30; at += 1) connection.write(`X-Field-${at}: ${'x'.repeat(1_000)}\r\n`);
    expect(await connection.answer()).toMatchObject({ status: 431 });
  });

  test('chunks of one byte each are accepted up to the maximum size of the body', async () => {
    const connection = await begin();
    const body = '{"events":[{}]}'.padEnd(maxBytes);
    connection.write(Buffer.concat(Array.from(body, (byte) => chunk(Buffer.from(byte)))));
    connection.write('0\r\n\r\n');
    expect(await connection.answer()).toMatchObject({ status: 200 });
  });

  test.each([
    ['blocks', [gzipSync('').subarray(0, 10), Buffer.alloc(1000, '000000ffff', 'hex')]],
    ['members', Array.from({ length: 100 }, () => gzipSync(''))],
  ])('a complete body with some empty %s of gzip is accepted', async (what, empty) => {
    const connection = await begin('Content-Encoding: gzip');
    for (const part of empty) connection.write(chunk(part));
    const rest = gzipSync('{"events":[{}]}');
    connection.write(chunk(what === 'blocks' ? rest.subarray(10) : rest));
    connection.write('0\r\n\r\n');
    expect(await connection.answer()).toMatchObject({ status: 200 });
  });
});
