import { expect, test } from 'vitest';
import { openConnection } from '../../testkit/network/raw-connection.ts';
import { newDatabase, newService } from '../fixtures.ts';

test('fault 17: the shutdown closes the connection of a client that never ends its request', async () => {
  const service = await newService(await newDatabase());
  const connection = await openConnection(service.port);
  const head = `POST /api/sync/events HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n`;
  const authorization = `Authorization: Bearer ${service.token({ tenant: 'shop' })}\r\n`;
  connection.write(`${head}${authorization}Content-Length: 100\r\n\r\n{`);
  // One byte at a time keeps the connection from being idle.
  const trickle = setInterval(() => connection.write(' '), 500);
  expect((await fetch(`${service.url}/livez`)).status).toBe(200);

  process.kill(service.pid, 'SIGTERM');
  await connection.closed;
  clearInterval(trickle);
  expect(await service.ended).toBe(0);
  const events = () => service.logLines.map(({ event }) => event);
  await expect.poll(() => events().at(-1)).toBe('service.stopped');
  expect(events()).toContain('service.drain-cut');
});
