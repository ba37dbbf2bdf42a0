import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { watchSlowReaders } from '../../src/http/limits/slow-readers.ts';

/** Larger than what the systems of both sides take by themselves. */
const answer = Buffer.alloc(64_000_000, 'x');
const periodMs = 200;

const open = new Map<Socket, { readonly response: ServerResponse }[]>();
let cuts = 0;
const server = createServer((request: IncomingMessage, response) => {
  open.set(request.socket, [...(open.get(request.socket) ?? []), { response }]);
  response.end(request.url === '/small' ? 'small' : answer);
});
let endWatch: () => void;
beforeEach(async () => {
  cuts = 0;
  open.clear();
  endWatch = watchSlowReaders({ open, periodMs, minBytes: 100_000, onCut: () => (cuts += 1) });
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterEach(async () => {
  endWatch();
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

async function ask(path: string): Promise<Socket> {
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(`GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`);
  return socket;
}

/** Reads so many bytes in each of so many tenths of a period. */
async function readSlowly(socket: Socket, bytes: number, steps: number): Promise<void> {
  for (let step = 0; step < steps; step += 1) {
    let left = bytes;
    while (left > 0) {
      const chunk: Buffer | null = socket.read(Math.min(left, socket.readableLength) || undefined);
      if (chunk === null) break;
      left -= chunk.length;
    }
    await sleep(periodMs / 10);
  }
}

test.each([
  ['nothing', 0],
  ['a little now and then', 100],
])('a client that takes %s of its answer is cut', async (_what, bytes) => {
  const socket = await ask('/large');
  socket.pause();
  const reading = readSlowly(socket, bytes, 40);
  await expect.poll(() => cuts).toBe(1);
  await reading;
  socket.destroy();
});

test('a client that goes on reading is not cut, however long it takes', async () => {
  const socket = await ask('/large');
  socket.pause();
  await readSlowly(socket, 400_000, 60);
  expect(cuts).toBe(0);
  socket.destroy();
});

test('a client that has taken its answer is not cut, however long it waits', async () => {
  const socket = await ask('/small');
  await once(socket, 'data');
  await sleep(4 * periodMs);
  expect(cuts).toBe(0);
  socket.destroy();
});
