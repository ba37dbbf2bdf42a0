import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { putNote } from '../testkit/events/sent-events.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { listenOnFreePort } from '../testkit/app/listening-app.ts';
import { openConnection } from '../testkit/network/raw-connection.ts';

let service: TestApp;
let port: number;
/** The number of pages that were read from the database. */
let pages = 0;
beforeAll(async () => {
  service = await startApp({
    wrapDatabase: (real) => ({
      ...real,
      feed: {
        ...real.feed,
        readPage(query) {
          pages += 1;
          return real.feed.readPage(query);
        },
      },
    }),
  });
  port = await listenOnFreePort(service.app);
  // Four megabytes, which is the maximum of an answer.
  for (let from = 0; from < 80; from += 40) {
    const ids = Array.from({ length: 40 }, (_, index) => `n${from + index}`);
    const events = ids.map((id) => putNote(id, { body: '漢'.repeat(20_000) }));
    await service.push(events, {}, { tenant: 'large' });
  }
});
afterAll(() => service.close());

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

const pullOf = (tenant: string) =>
  `GET /api/sync/changes HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${service.token({ tenant })}\r\n\r\n`;

/** Requests `count` pages on a new connection and reads none of them. */
async function pullUnread(tenant: string, count: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' });
  sockets.push(socket);
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.pause();
  socket.write(pullOf(tenant).repeat(count));
}

const codeOf = async (tenant: string, scope?: string) => {
  const sender = { tenant, ...(scope !== undefined && { scope }) };
  const { status, body } = await service.request({ url: '/api/sync/changes?limit=1', sender });
  return status === 200 ? 'ok' : body.code;
};

test('a tenant that does not read its answers is refused, and other tenants are not', async () => {
  for (const _connection of [1, 2, 3]) await pullUnread('large', 8);
  await expect.poll(() => codeOf('large'), { timeout: 20_000 }).toBe('TENANT_BUSY');
  const before = pages;
  const refused = await service.request({
    ...{ method: 'POST', url: '/api/sync/events', body: { events: [putNote('n1')] } },
    sender: { tenant: 'large' },
  });
  expect(refused).toMatchObject({ status: 503, body: { code: 'TENANT_BUSY', retryable: true } });
  expect(await codeOf('large')).toBe('TENANT_BUSY');
  expect(pages).toBe(before);
  expect(await codeOf('small')).toBe('ok');
});

test('an answer of a closed connection holds no part of the budget', async () => {
  for (const _connection of [1, 2, 3]) await pullUnread('large', 8);
  await expect.poll(() => codeOf('large'), { timeout: 20_000 }).toBe('TENANT_BUSY');
  for (const socket of sockets.splice(0)) socket.resetAndDestroy();
  await expect.poll(() => codeOf('large'), { timeout: 20_000 }).toBe('ok');
});

test('a client that leaves before its answer holds no part of the budget', async () => {
  for (let time = 0; time < 12; time += 1) {
    await pullUnread('large', 8);
    for (const socket of sockets.splice(0)) socket.resetAndDestroy();
  }
  const before = pages;
  await expect.poll(() => codeOf('large'), { timeout: 20_000 }).toBe('ok');
  expect(pages).toBeGreaterThan(before);
});

test('pipelined requests of one connection are bounded, and a further one is refused with OVERLOADED', async () => {
  const connection = await openConnection(port);
  connection.write(pullOf('small').repeat(30));
  const statuses: number[] = [];
  for (;;) {
    const answer = await connection.answer();
    statuses.push(answer.status);
    if (answer.status === 200) continue;
    expect(answer.body).toMatchObject({ code: 'OVERLOADED', retryable: true });
    expect(answer.head).toMatch(/^connection: close$/im);
    break;
  }
  expect(statuses).toEqual([...Array.from({ length: 8 }, () => 200), 503]);
  await expect(connection.answer()).rejects.toThrow('no answer');
});

test('a connection that waits for each answer can send any number of requests', async () => {
  const connection = await openConnection(port);
  for (let sent = 0; sent < 30; sent += 1) {
    connection.write(pullOf('small'));
    expect((await connection.answer()).status).toBe(200);
  }
  connection.reset();
});
