import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { putNote } from '../testkit/events/sent-events.ts';
import { exchangeBytes } from '../testkit/network/raw-connection.ts';
import { startListeningApp, type ListeningApp } from '../testkit/app/listening-app.ts';
import { pushOf, refusedEverywhere, sendValidPush } from './refused.ts';

const maxBytes = 4096;

let wire: ListeningApp;
beforeAll(async () => {
  const env = { MAX_BODY_BYTES: `${maxBytes}` };
  wire = await startListeningApp({ env });
});
afterAll(() => wire.close());

const batch = JSON.stringify({ events: [putNote('n1')] });

/** The raw head of an answer, because HTTP clients decode the body and hide its encoding. */
async function answerHead(method: string, acceptEncoding: string, body: string): Promise<string> {
  const { text } = await exchangeBytes(wire.port, [
    [
      `${method} /api/sync/events HTTP/1.1`,
      'Host: h',
      `Authorization: bearer ${wire.service.token({ tenant: 'good' })}`,
      'Content-Type: application/json',
      `Accept-Encoding: ${acceptEncoding}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  ]);
  return text.slice(0, text.indexOf('\r\n\r\n'));
}

describe('bad input: Content-Type missing or not JSON (`text/plain`, `application/json\\ta`, `application/json garbage`)', () => {
  test.each([
    undefined,
    '',
    'text/plain',
    'text/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json\ta',
    'application/json garbage',
    'application/jsonp',
    'application/json, text/plain',
    'application/problem+json',
    'json',
    '*/*',
    '__proto__',
  ])('%j', async (type) => {
    const refusal = { status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' };
    expect(await refusedEverywhere(wire, pushOf(batch, { 'content-type': type }))).toEqual(refusal);
  });

  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'Application/JSON',
    'APPLICATION/JSON; Charset="UTF-8"',
    'application/json;charset=Utf-8',
  ])('%j is accepted as JSON', async (type) => {
    expect(await sendValidPush(wire, batch, { 'content-type': type })).toMatchObject({
      status: 200,
    });
  });
});

describe('bad input: unknown Content-Encoding', () => {
  const unknown = [
    'lzma',
    'compress',
    'x-compress',
    'x-deflate',
    'x',
    '*',
    '__proto__',
    'toString',
  ];
  const severalOrMore = ['gzip, gzip', 'gzip, br', 'x-gzip, gzip', 'br, identity, br', 'gzip;q=1'];

  test.each([...unknown, ...severalOrMore])('%s', async (encoding) => {
    const refusal = { status: 415, code: 'UNSUPPORTED_ENCODING' };
    expect(await refusedEverywhere(wire, pushOf(batch, { 'content-encoding': encoding }))).toEqual(
      refusal,
    );
  });

  test.each(['identity', 'Identity', 'identity, identity', ''])(
    '%j is accepted as no encoding',
    async (encoding) => {
      expect(await sendValidPush(wire, batch, { 'content-encoding': encoding })).toMatchObject({
        status: 200,
      });
    },
  );

  test.each([
    ['GZIP', gzipSync],
    ['Gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['X-GZip', gzipSync],
    ['gzip, identity', gzipSync],
    ['identity , gzip', gzipSync],
    [' gzip ,', gzipSync],
    ['Deflate', deflateSync],
    ['BR', brotliCompressSync],
    ['ZSTD', zstdCompressSync],
  ] as const)('%j is decoded', async (encoding, compress) => {
    const answer = await sendValidPush(wire, compress(batch), { 'content-encoding': encoding });
    expect(answer).toMatchObject({ status: 200 });
  });

  test.each(['GZIP', 'x-gzip', 'Gzip;q=0.5, identity;q=0', 'X-GZIP'])(
    'Accept-Encoding: %j selects gzip for the answer',
    async (encoding) => {
      const events = Array.from({ length: 30 }, (_, at) => ({ identityKey: `k${at}` }));
      const answer = await answerHead('POST', encoding, JSON.stringify({ events }));
      expect(answer).toMatch(/^content-encoding: gzip$/im);
    },
  );
});

describe('bad input: corrupt gzip', () => {
  const zipped = gzipSync(batch);
  test.each<[what: string, encoding: string, body: Buffer]>([
    ['no gzip at all', 'gzip', Buffer.from(batch)],
    ['an empty body', 'gzip', Buffer.alloc(0)],
    ['truncated gzip', 'gzip', zipped.subarray(0, -9)],
    ['only its header', 'gzip', zipped.subarray(0, 10)],
    ['a wrong checksum', 'gzip', Buffer.concat([zipped.subarray(0, -8), Buffer.alloc(8, 7)])],
    ['garbage after the end', 'gzip', Buffer.concat([zipped, Buffer.from('garbage')])],
    ['another encoding', 'gzip', brotliCompressSync(batch)],
    ['no brotli', 'br', Buffer.from(batch)],
    ['truncated brotli', 'br', brotliCompressSync(batch).subarray(0, -3)],
    ['no deflate', 'deflate', Buffer.from(batch)],
    ['no zstd', 'zstd', Buffer.from(batch)],
    ['truncated zstd', 'zstd', zstdCompressSync(batch).subarray(0, -3)],
  ])('%s', async (_what, encoding, body) => {
    const refusal = { status: 400, code: 'INVALID_BODY' };
    expect(await refusedEverywhere(wire, pushOf(body, { 'content-encoding': encoding }))).toEqual(
      refusal,
    );
  });
});

const padded = (bytes: number) => batch.padEnd(bytes, ' ');
const compressions = [
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['br', brotliCompressSync],
  ['zstd', zstdCompressSync],
] as const;

describe('bad input: a decompression bomb, a body over the limit, also chunked', () => {
  test('a body with one byte too many', async () => {
    const refusal = { status: 413, code: 'BODY_TOO_LARGE', maxBytes };
    expect(await refusedEverywhere(wire, pushOf(padded(maxBytes + 1)))).toEqual(refusal);
  });

  test.each(compressions)(
    'a body with one byte too many, compressed with %s',
    async (encoding, compress) => {
      const request = pushOf(compress(padded(maxBytes + 1)), { 'content-encoding': encoding });
      const refusal = { status: 413, code: 'BODY_TOO_LARGE', maxBytes };
      expect(await refusedEverywhere(wire, request)).toEqual(refusal);
    },
  );

  test('a body of exactly the maximum size is accepted with every encoding', async () => {
    expect(await sendValidPush(wire, padded(maxBytes))).toMatchObject({ status: 200 });
    for (const [encoding, compress] of compressions) {
      expect(
        await sendValidPush(wire, compress(padded(maxBytes)), { 'content-encoding': encoding }),
      ).toMatchObject({ status: 200 });
    }
  });
});
