import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { watchSlowReaders } from '../../src/http/limits/slow-readers.ts';

/** Larger than the socket buffers of both operating systems together. */
const answer = Buffer.alloc(64_000_000, 'x');
const periodMs = 200;

const connections = new Map<Socket, { readonly response: ServerResponse }[]>();
let cuts = 0;
const server = createServer((incoming: IncomingMessage, response) => {
  const { socket } = incoming;
  connections.set(socket, [...(connections.get(socket) ?? []), { response }]);
  response.end(incoming.url === '/small' ? 'small' : answer);
});
let stopWatching: () => void;
beforeEach(async () => {
  cuts = 0;
  connections.clear();
  stopWatching = watchSlowReaders({
    ...{ connections, periodMs, minBytes: 100_000 },
    onCut: () => (cuts += 1),
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterEach(async () => {
  stopWatching();
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

async function request(path: string): Promise<Socket> {
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(`GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`);
  return socket;
}

/** Reads `bytes` in each of `steps` tenths of a period. */
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
  ['very little', 100],
])('the connection of a client that reads %s of its answer is closed', async (_what, bytes) => {
  const socket = await request('/large');
  socket.pause();
  const reading = readSlowly(socket, bytes, 40);
  await expect.poll(() => cuts).toBe(1);
  await reading;
  socket.destroy();
});

test('a client that keeps reading keeps its connection, however long the answer takes', async () => {
  const socket = await request('/large');
  socket.pause();
  await readSlowly(socket, 400_000, 60);
  expect(cuts).toBe(0);
  socket.destroy();
});

test('an idle client that has received its answer keeps its connection', async () => {
  const socket = await request('/small');
  await once(socket, 'data');
  await sleep(4 * periodMs);
  expect(cuts).toBe(0);
  socket.destroy();
});
