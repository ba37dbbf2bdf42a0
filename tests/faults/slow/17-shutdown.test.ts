import { connect } from 'node:net';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../testkit/database.ts';
import { removeDataDir } from '../../testkit/postgres.ts';
import { type Service, startService } from '../../testkit/service.ts';

let database: TestDatabase;
let dataDir: string;
let service: Service;
beforeEach(async () => {
  database = await createDatabase();
  dataDir = await mkdtemp(join(tmpdir(), 'landfall-shutdown-'));
  service = await startService({ dataDir, env: { DATABASE_URL: database.url } });
});
afterEach(async () => {
  await service.kill();
  await removeDataDir(dataDir);
  await database.drop();
});

test('fault 17: a client that never ends its request is cut off, and the rest of the stop goes on', async () => {
  const socket = connect({ port: service.port, host: '127.0.0.1' });
  socket.on('error', () => {});
  const head = `POST /api/sync/events HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n`;
  const authorization = `Authorization: Bearer ${service.token({ tenant: 'shop' })}\r\n`;
  socket.write(`${head}${authorization}Content-Length: 100\r\n\r\n{`);
  // A byte at a time keeps the connection alive for ever.
  const trickle = setInterval(() => socket.write(' '), 500);
  expect((await fetch(`${service.url}/livez`)).status).toBe(200);

  process.kill(service.pid, 'SIGTERM');
  await once(socket, 'close');
  clearInterval(trickle);
  expect(await service.ended).toBe(0);
  const events = () => service.logLines.map(({ event }) => event);
  await expect.poll(() => events().at(-1)).toBe('service.stopped');
  expect(events()).toContain('service.drain-cut');
});
