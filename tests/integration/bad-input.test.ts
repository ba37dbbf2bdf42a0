import type { InjectOptions } from 'fastify';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { put } from '../model/events.ts';
import { refusalOf } from '../model/refusal.ts';
import { startApp, type TestApp } from '../setup/app.ts';

const maxBytes = 4096;
const maxEvents = 5;

let service: TestApp;
beforeAll(async () => {
  const env = { MAX_BATCH_EVENTS: `${maxEvents}`, MAX_BODY_BYTES: `${maxBytes}` };
  service = await startApp({ env });
});
afterAll(() => service.close());

const push = '/api/sync/events';
const json = { 'content-type': 'application/json' };
const batch = JSON.stringify({ events: [put('n1')] });

/** As it stands: no header is added but the token. */
async function post(payload: string | Buffer, headers: object = json) {
  const authorization = `Bearer ${service.token()}`;
  const options: InjectOptions = { method: 'POST', url: push, payload };
  const answer = await service.app.inject({ ...options, headers: { authorization, ...headers } });
  return { status: answer.statusCode, headers: answer.headers, body: answer.json() };
}

const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
const nestedPayload = (levels: number) =>
  `{"events":[{"identityKey":"k","kind":"note.put","payload":${nested(levels)}}]}`;
const envelope = (fields: object) => JSON.stringify({ events: [put('n1')], ...fields });

test.each<[what: string, body: string | Buffer, status: number, code: string, path?: string]>([
  ['that is empty', '', 400, 'INVALID_JSON'],
  ['that is white space', ' \n', 400, 'INVALID_JSON'],
  ['that is cut off', batch.slice(0, -1), 400, 'INVALID_JSON'],
  ['with more behind it', `${batch} ${batch}`, 400, 'INVALID_JSON'],
  ['with a trailing comma', '{"events":[1,]}', 400, 'INVALID_JSON'],
  ['with NaN', '{"events":[NaN]}', 400, 'INVALID_JSON'],
  ['with Infinity', '{"events":[Infinity]}', 400, 'INVALID_JSON'],
  ['with single quotes', "{'events':[]}", 400, 'INVALID_JSON'],
  ['with a comment', '{"events":[] /* none */}', 400, 'INVALID_JSON'],
  ['with a line break in a text', '{"events":["a\nb"]}', 400, 'INVALID_JSON'],
  ['of opening brackets only', '['.repeat(4000), 400, 'INVALID_JSON'],
  ['that sets __proto__', '{"events":[],"__proto__":{"a":1}}', 400, 'INVALID_JSON'],
  [
    'that sets __proto__ deep inside',
    '{"events":[{"payload":{"__proto__":{"a":1}}}]}',
    400,
    'INVALID_JSON',
  ],
  ['that sets __proto__ with escapes', '{"events":[{"\\u005f_proto__":{}}]}', 400, 'INVALID_JSON'],
  [
    'that sets constructor.prototype',
    '{"events":[{"constructor":{"prototype":{"a":1}}}]}',
    400,
    'INVALID_JSON',
  ],
  ['that is not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 400, 'INVALID_UTF8'],
  ['with half of a UTF-8 character', Buffer.from([0x22, 0xe2, 0x82, 0x22]), 400, 'INVALID_UTF8'],
  ['with a surrogate in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), 400, 'INVALID_UTF8'],
  ['with an overlong NUL in UTF-8', Buffer.from([0x22, 0xc0, 0x80, 0x22]), 400, 'INVALID_UTF8'],
  ['of 33 levels', nested(33), 400, 'TOO_DEEP'],
  ['of 2000 levels', nested(2000), 400, 'TOO_DEEP'],
  ['with an event of 33 levels', nestedPayload(30), 400, 'TOO_DEEP'],
  ['that is null', 'null', 400, 'INVALID_ENVELOPE'],
  ['that is a text', '"events"', 400, 'INVALID_ENVELOPE'],
  ['that is a number', '5', 400, 'INVALID_ENVELOPE'],
  ['that is an empty array', '[]', 400, 'EMPTY_BATCH'],
  ['without events', '{}', 400, 'INVALID_ENVELOPE', 'events'],
  ['with events that are null', '{"events":null}', 400, 'INVALID_ENVELOPE', 'events'],
  ['with events that are an object', '{"events":{"0":{}}}', 400, 'INVALID_ENVELOPE', 'events'],
  ['that names a tenant', envelope({ tenant: 't2' }), 400, 'INVALID_ENVELOPE', 'tenant'],
  ['with an unknown field', envelope({ mode: 'x' }), 400, 'INVALID_ENVELOPE', 'mode'],
  ['with a word for atomic', envelope({ atomic: 'true' }), 400, 'INVALID_ENVELOPE', 'atomic'],
  ['with null for atomic', envelope({ atomic: null }), 400, 'INVALID_ENVELOPE', 'atomic'],
  ['with a number for sentAt', envelope({ sentAt: 1 }), 400, 'INVALID_ENVELOPE', 'sentAt'],
  [
    'sent on 30 February',
    envelope({ sentAt: '2026-02-30T00:00:00Z' }),
    400,
    'INVALID_ENVELOPE',
    'sentAt',
  ],
  [
    'sent in no zone',
    envelope({ sentAt: '2026-01-01T00:00:00' }),
    400,
    'INVALID_ENVELOPE',
    'sentAt',
  ],
  [
    'sent in the year 2200',
    envelope({ sentAt: '2200-01-01T00:00:00Z' }),
    400,
    'INVALID_ENVELOPE',
    'sentAt',
  ],
  ['with no events in it', '{"events":[]}', 400, 'EMPTY_BATCH'],
])('a body %s is refused', async (_what, body, status, code, path) => {
  const problem = refusalOf(await post(body));
  expect([problem.status, problem.code, problem.path]).toEqual([status, code, path]);
});

test('a body of 32 levels is read', async () => {
  const { status, body } = await post(nestedPayload(29));
  expect(status).toBe(200);
  expect(body.failed).toMatchObject([{ code: 'INVALID_PAYLOAD' }]);
});

test('a batch over the maximum is refused with the maximum, one of the maximum is not', async () => {
  const events = Array.from({ length: maxEvents + 1 }, (_, at) => put(`n${at}`));
  const problem = refusalOf(await post(JSON.stringify({ events })));
  expect(problem).toMatchObject({ status: 413, code: 'BATCH_TOO_LARGE', maxEvents });
  expect((await post(JSON.stringify({ events: events.slice(1) }))).status).toBe(200);
});

const padded = (bytes: number) => batch.padEnd(bytes, ' ');

test.each<[what: string, body: string | Buffer, headers?: object]>([
  ['a body over the limit', padded(maxBytes + 1)],
  [
    'a gzip of a body over the limit',
    gzipSync(padded(maxBytes + 1)),
    { 'content-encoding': 'gzip' },
  ],
  [
    'a gzip bomb',
    gzipSync(Buffer.alloc(50_000_000, ' ')).subarray(0, 1e6),
    { 'content-encoding': 'gzip' },
  ],
  ['a small gzip bomb', gzipSync(Buffer.alloc(3_000_000, ' ')), { 'content-encoding': 'gzip' }],
  [
    'a brotli bomb',
    brotliCompressSync(Buffer.alloc(50_000_000, ' ')),
    { 'content-encoding': 'br' },
  ],
  ['a zstd bomb', zstdCompressSync(Buffer.alloc(30_000_000, ' ')), { 'content-encoding': 'zstd' }],
])('%s is refused with the limit', async (_what, body, headers) => {
  const problem = refusalOf(await post(body, { ...json, ...headers }));
  expect(problem).toMatchObject({ status: 413, code: 'BODY_TOO_LARGE', maxBytes });
});

test.each<[encoding: string, compress: (text: string) => string | Buffer]>([
  ['none', (text) => text],
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['br', brotliCompressSync],
  ['zstd', zstdCompressSync],
])('a body of exactly the limit, in the encoding %s, is read', async (encoding, compress) => {
  const headers = encoding === 'none' ? json : { ...json, 'content-encoding': encoding };
  expect((await post(compress(padded(maxBytes)), headers)).status).toBe(200);
});

test.each(['lzma', 'compress', 'gzip, gzip', 'gzip;q=1', 'x'])(
  'the Content-Encoding %s is not supported',
  async (encoding) => {
    const problem = refusalOf(await post(batch, { ...json, 'content-encoding': encoding }));
    expect(problem).toMatchObject({ status: 415, code: 'UNSUPPORTED_ENCODING' });
  },
);

test.each<[encoding: string, what: string, body: Buffer]>([
  ['gzip', 'that is none', Buffer.from(batch)],
  ['gzip', 'that is cut off', gzipSync(batch).subarray(0, -9)],
  [
    'gzip',
    'with a wrong checksum',
    Buffer.concat([gzipSync(batch).subarray(0, -8), Buffer.alloc(8, 7)]),
  ],
  ['br', 'that is none', Buffer.from(batch)],
  ['deflate', 'that is none', Buffer.from(batch)],
  ['zstd', 'that is none', Buffer.from(batch)],
])('a %s %s cannot be read', async (encoding, _what, body) => {
  const problem = refusalOf(await post(body, { ...json, 'content-encoding': encoding }));
  expect(problem).toMatchObject({ status: 400, code: 'INVALID_BODY' });
});

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
  'json',
])('the Content-Type %s is not supported', async (type) => {
  const problem = refusalOf(await post(batch, type === undefined ? {} : { 'content-type': type }));
  expect(problem).toMatchObject({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' });
});

test.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON'])(
  'the Content-Type %s is supported',
  async (type) => {
    expect((await post(batch, { 'content-type': type })).status).toBe(200);
  },
);
