import { setTimeout as sleep } from 'node:timers/promises';
import { constants, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { putNote } from '../testkit/events/sent-events.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { listenOnFreePort } from '../testkit/app/listening-app.ts';
import { openConnection, type RawConnection } from '../testkit/network/raw-connection.ts';

/** The budget of all bodies is eight times this size, and that of one tenant is four times this size. */
const maxBodyBytes = 10_000;

let service: TestApp;
let port: number;
beforeAll(async () => {
  service = await startApp({ env: { MAX_BODY_BYTES: `${maxBodyBytes}` } });
  port = await listenOnFreePort(service.app);
});
afterAll(() => service.close());

const connections: RawConnection[] = [];
afterEach(async () => {
  for (const connection of connections.splice(0)) connection.reset();
  // The next test starts when the budget of this one is released.
  await vi.waitUntil(async () => (await codeOf('after')) === 'ok');
});

const head = (tenant: string, ...fields: readonly string[]) =>
  [
    'POST /api/sync/events HTTP/1.1',
    'Host: h',
    `Authorization: Bearer ${service.token({ tenant })}`,
    'Content-Type: application/json',
    ...fields,
    '\r\n',
  ].join('\r\n');

const chunk = (data: Buffer) =>
  Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from('\r\n')]);

/** Sends a body of the maximum size without its last byte. */
async function sendMost(tenant: string): Promise<RawConnection> {
  const connection = await openConnection(port);
  connections.push(connection);
  connection.write(head(tenant, `Content-Length: ${maxBodyBytes}`));
  connection.write('x'.repeat(maxBodyBytes - 1));
  return connection;
}

/** The same, compressed to forty bytes. */
async function sendMostCompressed(tenant: string): Promise<RawConnection> {
  const connection = await openConnection(port);
  connections.push(connection);
  connection.write(head(tenant, 'Content-Encoding: gzip', 'Transfer-Encoding: chunked'));
  const flushed = { finishFlush: constants.Z_SYNC_FLUSH };
  connection.write(chunk(gzipSync(Buffer.alloc(maxBodyBytes - 1, 'x'), flushed)));
  return connection;
}

/** Pushes some hundred bytes. @returns the code of the answer */
async function codeOf(tenant: string, headers = {}): Promise<unknown> {
  const { status, body } = await service.request({
    ...{ method: 'POST', url: '/api/sync/events', headers, sender: { tenant } },
    body: { events: [putNote('n1', { body: 'x'.repeat(200) })] },
  });
  return status === 200 ? 'ok' : body.code;
}

/** Sends bodies of `tenants` until a push of `next` is refused with `code`. */
async function fill(
  send: (tenant: string) => Promise<unknown>,
  tenants: readonly string[],
  next: string,
  code: string,
): Promise<void> {
  const sendAndPush = async () => {
    for (const tenant of tenants) await send(tenant);
    // Without the pause, the service may read the next push first.
    await sleep(50);
    return codeOf(next);
  };
  await expect.poll(sendAndPush, { timeout: 10_000 }).toBe(code);
}

test.each([
  ['plain', sendMost],
  ['compressed', sendMostCompressed],
])(
  '%s bodies of one tenant that are arriving are bounded, and other tenants are not affected',
  async (_how, send) => {
    await fill(send, ['many'], 'many', 'TENANT_BUSY');
    expect(await codeOf('other')).toBe('ok');
    for (const connection of connections.splice(0)) connection.reset();
    await expect.poll(() => codeOf('many')).toBe('ok');
  },
);

test('the bodies of all tenants are bounded, and further ones are refused before the token is checked', async () => {
  await fill(sendMostCompressed, ['a', 'b'], 'c', 'OVERLOADED');
  expect(await codeOf('c', { authorization: 'none' })).toBe('OVERLOADED');
  expect((await service.request({ url: '/api/sync/changes' })).status).toBe(200);
});

test('a body that exceeds the budget while it arrives is answered', async () => {
  await fill(sendMost, ['many'], 'many', 'TENANT_BUSY');
  const connection = await openConnection(port);
  connections.push(connection);
  connection.write(head('many', 'Transfer-Encoding: chunked'));
  connection.write(chunk(Buffer.from('{"events":[')));
  connection.write(chunk(Buffer.alloc(100, ' ')));
  expect(await connection.answer()).toMatchObject({ status: 503, body: { code: 'TENANT_BUSY' } });
});

test('a body beyond the size limit is answered 413, also if it exceeds the budget', async () => {
  const tooLarge = { events: ['x'.repeat(10 * maxBodyBytes)] };
  const request = { method: 'POST', url: '/api/sync/events', body: tooLarge } as const;
  expect(await service.request(request)).toMatchObject({
    status: 413,
    body: { maxBytes: maxBodyBytes },
  });
});

test('an answered request holds no part of the budget, whatever the answer is', async () => {
  const body = { events: [putNote('n1', { body: 'x'.repeat(5_000) })] };
  const request = { method: 'POST', url: '/api/sync/events', sender: { tenant: 'busy' } } as const;
  for (let at = 0; at < 20; at += 1) {
    expect((await service.request({ ...request, body })).status).toBe(200);
    expect((await service.request({ ...request, body: '{'.repeat(5_000) })).status).toBe(400);
  }
});
