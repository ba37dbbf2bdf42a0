import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { watchMemory } from '../../bench/systems/memory.ts';
import { pullAnswerSchema } from '../../src/protocol/pull.ts';
import { putNote } from '../testkit/events/sent-events.ts';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { exchangeBytes } from '../testkit/network/raw-connection.ts';
import { type ServiceProcess, startService } from '../testkit/processes/service-process.ts';

/** The maximum growth of the process while it refuses gigabytes: eight bodies, their buffers, and garbage. */
const maxGrowthMb = 250;
const megabyte = 2 ** 20;
const maxBytes = 4_194_304;
const atOnce = 8;

let dataDir: string;
let database: TestDatabase;
let service: ServiceProcess;
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

/** Sends the same request several times at once. Returns the answers and the growth of the process in megabytes. */
async function flood(parts: () => readonly (string | Buffer)[]) {
  const [before = 0] = await watchMemory(service.pid, 20, async () => {});
  const answers: string[] = [];
  const samples = await watchMemory(service.pid, 20, async () => {
    const all = Array.from({ length: atOnce }, () => exchangeBytes(service.port, parts()));
    for (const { text } of await Promise.all(all)) answers.push(text);
  });
  // Some systems do not show the memory of a process. The growth then counts as 0.
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
      'a truncated object beyond the size limit',
      () => compressed('gzip', gzipSync(`{"events":[${'1,'.repeat(4 * megabyte)}`)),
    ],
    [
      '64 MB in chunks',
      () => {
        const chunk = `${megabyte.toString(16)}\r\n${' '.repeat(megabyte)}\r\n`;
        return [post('Transfer-Encoding: chunked'), ...Array.from({ length: 64 }, () => chunk)];
      },
    ],
    ['an announced terabyte that is never sent', () => [post(`Content-Length: ${2 ** 40}`)]],
  ])(
    '%s, sent eight times at once, is answered 413 or TENANT_BUSY, and the memory does not grow much',
    async (_what, parts) => {
      const prepared = parts();
      const { answers, grown } = await flood(() => prepared);
      const codes = answers.map((text) => problemOf(text).code);
      expect(codes.filter((code) => code !== 'TENANT_BUSY')).toEqual(
        codes.filter((code) => code === tooLarge.code),
      );
      // A single body always fits into the budget.
      const { text } = await exchangeBytes(service.port, prepared);
      expect(problemOf(text)).toMatchObject(tooLarge);
      expect(grown).toBeLessThan(maxGrowthMb);
    },
  );

  test('64 MB, sent eight times at once in spite of the refusal, do not make the memory grow much', async () => {
    const body = Buffer.alloc(64 * megabyte, ' ');
    const { answers, grown } = await flood(() => [post(`Content-Length: ${body.length}`), body]);
    // A client that reads only after it has sent everything may find the connection reset.
    for (const text of answers) expect(text).toMatch(/^(HTTP\/1\.1 (413|503) |$)/);
    expect(grown).toBeLessThan(maxGrowthMb);
  });

  test.each<[what: string, encoding: string, status: number, code: string]>([
    ['named twice', 'gzip, gzip', 415, 'UNSUPPORTED_ENCODING'],
    ['named twice, in two headers', 'gzip\r\nContent-Encoding: gzip', 415, 'UNSUPPORTED_ENCODING'],
    ['with only the outer one named', 'gzip', 400, 'INVALID_UTF8'],
  ])(
    'a decompression bomb in another one, %s, is not decompressed twice',
    async (_what, encoding, status, code) => {
      const bomb = gzipSync(gzipSync(spaces));
      const { text, statuses } = await exchangeBytes(service.port, compressed(encoding, bomb));
      expect(statuses).toEqual([status]);
      expect(problemOf(text)).toMatchObject({ status, code });
    },
  );

  test('a body of the maximum size that is very deep, wide or long is refused quickly', async () => {
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
      const { text } = await exchangeBytes(service.port, [head, body]);
      expect(problemOf(text)).toMatchObject({ code });
      expect(text.length).toBeLessThan(2_000);
    }
  });
});

describe('bad input: SQL or log-injection text', () => {
  test('in a payload, a path, a query or a header does not break or fake a line of the log', async () => {
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
    const event = putNote('n1', { title: forged, body: forged });
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
    const lines = service.output().trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(6);
    for (const line of lines) expect(JSON.parse(line).event).toMatch(/^[a-z.-]+$/);
    expect(lines.join('\n')).not.toMatch(/forged|DROP TABLE/);
  });
});
