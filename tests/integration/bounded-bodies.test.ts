import { setTimeout as sleep } from 'node:timers/promises';
import { constants, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { put } from '../testkit/oracle/events.ts';
import { startApp, type TestApp } from '../testkit/app.ts';
import { listen, openConnection, type RawConnection } from '../testkit/raw-connection.ts';

/** Of all bodies eight times as much may be held, of one tenant's four times. */
const maxBodyBytes = 10_000;

let service: TestApp;
let port: number;
beforeAll(async () => {
  service = await startApp({ env: { MAX_BODY_BYTES: `${maxBodyBytes}` } });
  port = await listen(service.app);
});
afterAll(() => service.close());

const connections: RawConnection[] = [];
afterEach(async () => {
  for (const connection of connections.splice(0)) connection.leave();
  // What one test has left is not for the next to count.
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

/** Sends all of a body of the largest size but its last byte. */
async function sendMost(tenant: string): Promise<RawConnection> {
  const connection = await openConnection(port);
  connections.push(connection);
  connection.write(head(tenant, `Content-Length: ${maxBodyBytes}`));
  connection.write('x'.repeat(maxBodyBytes - 1));
  return connection;
}

/** The same in forty bytes. */
async function sendMostCompressed(tenant: string): Promise<RawConnection> {
  const connection = await openConnection(port);
  connections.push(connection);
  connection.write(head(tenant, 'Content-Encoding: gzip', 'Transfer-Encoding: chunked'));
  const flushed = { finishFlush: constants.Z_SYNC_FLUSH };
  connection.write(chunk(gzipSync(Buffer.alloc(maxBodyBytes - 1, 'x'), flushed)));
  return connection;
}

/** A push of some hundred bytes. */
async function codeOf(tenant: string, headers = {}): Promise<unknown> {
  const { status, body } = await service.request({
    ...{ method: 'POST', url: '/api/sync/events', headers, sender: { tenant } },
    body: { events: [put('n1', { body: 'x'.repeat(200) })] },
  });
  return status === 200 ? 'ok' : body.code;
}

/** Sends more and more, until whoever comes next is told so. */
async function fill(
  send: (tenant: string) => Promise<unknown>,
  tenants: readonly string[],
  next: string,
  code: string,
): Promise<void> {
  const ask = async () => {
    for (const tenant of tenants) await send(tenant);
    // Else who asks next may be read first, and take the room that these are to fill.
    await sleep(50);
    return codeOf(next);
  };
  await expect.poll(ask, { timeout: 10_000 }).toBe(code);
}

test.each([
  ['plain', sendMost],
  ['compressed', sendMostCompressed],
])(
  '%s bodies of one tenant that are on their way are bounded, and no other tenant’s',
  async (_how, send) => {
    await fill(send, ['many'], 'many', 'TENANT_BUSY');
    expect(await codeOf('other')).toBe('ok');
    for (const connection of connections.splice(0)) connection.leave();
    await expect.poll(() => codeOf('many')).toBe('ok');
  },
);

test('the bodies of all are bounded, and beyond that refused before the token is looked at', async () => {
  await fill(sendMostCompressed, ['a', 'b'], 'c', 'OVERLOADED');
  expect(await codeOf('c', { authorization: 'none' })).toBe('OVERLOADED');
  expect((await service.request({ url: '/api/sync/changes' })).status).toBe(200);
});

test('what crosses a bound half-way is answered', async () => {
  await fill(sendMost, ['many'], 'many', 'TENANT_BUSY');
  const connection = await openConnection(port);
  connections.push(connection);
  connection.write(head('many', 'Transfer-Encoding: chunked'));
  connection.write(chunk(Buffer.from('{"events":[')));
  connection.write(chunk(Buffer.alloc(100, ' ')));
  expect(await connection.answer()).toMatchObject({ status: 503, body: { code: 'TENANT_BUSY' } });
});

test('a body that is larger than all that may be held is too large, and not too much', async () => {
  const tooLarge = { events: ['x'.repeat(10 * maxBodyBytes)] };
  const asked = { method: 'POST', url: '/api/sync/events', body: tooLarge } as const;
  expect(await service.request(asked)).toMatchObject({
    status: 413,
    body: { maxBytes: maxBodyBytes },
  });
});

test('what is answered holds nothing any more, whatever the answer', async () => {
  const body = { events: [put('n1', { body: 'x'.repeat(5_000) })] };
  const asked = { method: 'POST', url: '/api/sync/events', sender: { tenant: 'busy' } } as const;
  for (let at = 0; at < 20; at += 1) {
    expect((await service.request({ ...asked, body })).status).toBe(200);
    expect((await service.request({ ...asked, body: '{'.repeat(5_000) })).status).toBe(400);
  }
});
