import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { watchMemory } from '../../bench/systems/memory.ts';
import { pullAnswerSchema } from '../../src/protocol/pull.ts';
import { put } from '../testkit/oracle/events.ts';
import { createDatabase, type TestDatabase } from '../testkit/database.ts';
import { exchange } from '../testkit/raw-http.ts';
import { type Service, startService } from '../testkit/service.ts';

/** What the service may grow by while it refuses gigabytes: eight bodies, their buffers, garbage. */
const maxGrowthMb = 250;
const megabyte = 2 ** 20;
const maxBytes = 4_194_304;
const atOnce = 8;

let dataDir: string;
let database: TestDatabase;
let service: Service;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'landfall-limits-'));
  database = await createDatabase();
  const env = { NODE_ENV: 'production', LOG_LEVEL: 'debug', DATABASE_URL: database.url };
  service = await startService({ dataDir, env });
});
afterAll(async () => {
  await service.stop();
  await database.drop();
  await rm(dataDir, { recursive: true, force: true });
});

function post(...headers: readonly string[]): string {
  const token = service.token({ tenant: 't1' });
  return [
    'POST /api/sync/events HTTP/1.1',
    'Host: landfall',
    `Authorization: Bearer ${token}`,
    'Content-Type: application/json',
    'Connection: close',
    ...headers,
    '',
    '',
  ].join('\r\n');
}

function compressed(encoding: string, body: Buffer): readonly (string | Buffer)[] {
  return [post(`Content-Encoding: ${encoding}`, `Content-Length: ${body.length}`), body];
}

/** The answer to the last of many of the same at once, and by how many megabytes the service grew. */
async function flood(parts: () => readonly (string | Buffer)[]) {
  const [before = 0] = await watchMemory(service.pid, 20, async () => {});
  const answers: string[] = [];
  const samples = await watchMemory(service.pid, 20, async () => {
    const all = Array.from({ length: atOnce }, () => exchange(service.port, parts()));
    for (const { text } of await Promise.all(all)) answers.push(text);
  });
  // Where memory cannot be read, the answers still can.
  const grown = samples.length > 0 ? Math.max(...samples) - before : 0;
  return { answers, grown };
}

function problemOf(text: string): { readonly code: string } {
  return JSON.parse(text.slice(text.lastIndexOf('\r\n\r\n')));
}

const tooLarge = { status: 413, code: 'BODY_TOO_LARGE', maxBytes, retryable: false };

describe('bad input: a decompression bomb, a body over the limit, also chunked', () => {
  const zeros = Buffer.alloc(16 * megabyte);
  const spaces = Buffer.alloc(32 * megabyte, ' ');
  const quick = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };

  test.each<[what: string, parts: () => readonly (string | Buffer)[]]>([
    [
      'gzip of a gigabyte, in 64 members',
      () => {
        const member = gzipSync(zeros);
        return compressed('gzip', Buffer.concat(Array.from({ length: 64 }, () => member)));
      },
    ],
    ['gzip of spaces', () => compressed('gzip', gzipSync(spaces))],
    ['deflate of spaces', () => compressed('deflate', deflateSync(spaces))],
    ['br of spaces', () => compressed('br', brotliCompressSync(spaces, quick))],
    ['zstd of spaces', () => compressed('zstd', zstdCompressSync(spaces))],
    [
      'an object, cut off where it is too long',
      () => compressed('gzip', gzipSync(`{"events":[${'1,'.repeat(4 * megabyte)}`)),
    ],
    [
      '64 MB in chunks',
      () => {
        const chunk = `${megabyte.toString(16)}\r\n${' '.repeat(megabyte)}\r\n`;
        return [post('Transfer-Encoding: chunked'), ...Array.from({ length: 64 }, () => chunk)];
      },
    ],
    ['a terabyte that is never sent', () => [post(`Content-Length: ${2 ** 40}`)]],
  ])(
    '%s, eight at once: 413 as far as there is room to read them, and memory stays flat',
    async (_what, parts) => {
      const prepared = parts();
      const { answers, grown } = await flood(() => prepared);
      const codes = answers.map((text) => problemOf(text).code);
      expect(codes.filter((code) => code !== 'TENANT_BUSY')).toEqual(
        codes.filter((code) => code === tooLarge.code),
      );
      // One that comes alone always has room.
      const { text } = await exchange(service.port, prepared);
      expect(problemOf(text)).toMatchObject(tooLarge);
      expect(grown).toBeLessThan(maxGrowthMb);
    },
  );

  test('64 MB, eight at once, sent to the end whatever is answered: memory stays flat', async () => {
    const body = Buffer.alloc(64 * megabyte, ' ');
    const { answers, grown } = await flood(() => [post(`Content-Length: ${body.length}`), body]);
    // Who does not read before it has sent everything may find the connection reset.
    for (const text of answers) expect(text).toMatch(/^(HTTP\/1\.1 (413|503) |$)/);
    expect(grown).toBeLessThan(maxGrowthMb);
  });

  test.each<[what: string, encoding: string, status: number, code: string]>([
    ['named twice', 'gzip, gzip', 415, 'UNSUPPORTED_ENCODING'],
    ['named twice, in two headers', 'gzip\r\nContent-Encoding: gzip', 415, 'UNSUPPORTED_ENCODING'],
    ['of which only the outer one is named', 'gzip', 400, 'INVALID_UTF8'],
  ])('a bomb in a bomb, %s, is not unpacked twice', async (_what, encoding, status, code) => {
    const bomb = gzipSync(gzipSync(spaces));
    const { text, statuses } = await exchange(service.port, compressed(encoding, bomb));
    expect(statuses).toEqual([status]);
    expect(problemOf(text)).toMatchObject({ status, code });
  });

  test('what is deep, wide or long as far as the limit lets it, is refused in bounded time', async () => {
    const wide = `{"events":[${'[],'.repeat(1_300_000)}[]]}`;
    const fields = Array.from({ length: 300_000 }, (_, at) => `"f${at}":1`).join(',');
    const bodies: [body: string, code: string][] = [
      [wide, 'BATCH_TOO_LARGE'],
      [`{"events":[1],${fields}}`, 'INVALID_ENVELOPE'],
      [`{"a":${'['.repeat(2_000_000)}${']'.repeat(2_000_000)}}`, 'TOO_DEEP'],
      ['{"a":'.repeat(800_000), 'INVALID_JSON'],
      [`"${'\\u0000'.repeat(690_000)}"`, 'INVALID_ENVELOPE'],
      [`{"events":[1],"${'x'.repeat(4_000_000)}":1}`, 'INVALID_ENVELOPE'],
      [`{"events":[1],"__proto__":${' '.repeat(4_000_000)}1}`, 'INVALID_JSON'],
    ];
    for (const [body, code] of bodies) {
      const head = post(`Content-Length: ${body.length}`);
      const { text } = await exchange(service.port, [head, body]);
      expect(problemOf(text)).toMatchObject({ code });
      expect(text.length).toBeLessThan(2_000);
    }
  });
});

describe('bad input: SQL or log-injection text', () => {
  test('in a payload, a path, a query or a header leaves one line of JSON a request in the log', async () => {
    const forged =
      '\r\n{"level":"fatal","event":"forged"}\n\u001b[31m\u2028"; DROP TABLE events; --';
    const url = `${service.url}/api/sync`;
    const headers = {
      authorization: `Bearer ${service.token({ tenant: forged.replaceAll(/\p{C}|\u2028/gu, '') })}`,
      'content-type': 'application/json',
      'user-agent': '{"event":"forged"}"',
      traceparent: '{"event":"forged"}"',
      'x-request-id': '{"event":"forged"}"',
      'x-forwarded-for': '{"event":"forged"}"',
    };
    const event = put('n1', { title: forged, body: forged });
    const encoded = encodeURIComponent(forged);
    const bodies = [{ events: [event, { ...event, kind: forged }] }, { [forged]: forged }];
    for (const body of bodies) {
      await fetch(`${url}/events`, { method: 'POST', headers, body: JSON.stringify(body) });
    }
    for (const path of [`changes?since=${encoded}`, `changes?${encoded}=1`, encoded]) {
      await fetch(`${url}/${path}`, { headers });
    }
    const pulled = await fetch(`${url}/changes`, { headers });
    const { changes } = pullAnswerSchema.parse(await pulled.json());
    expect(changes).toMatchObject([{ data: { title: forged, body: forged } }]);
    const lines = service.written().trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(6);
    for (const line of lines) expect(JSON.parse(line).event).toMatch(/^[a-z.-]+$/);
    expect(lines.join('\n')).not.toMatch(/forged|DROP TABLE/);
  });
});
