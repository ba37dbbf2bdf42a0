import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { readStored } from '../../testkit/checker/stored.ts';
import { put } from '../../testkit/oracle/events.ts';
import type { Service } from '../../testkit/service.ts';
import {
  chunked,
  lengthOf,
  openRaw,
  type RawConnection,
  type RawPush,
  rawPush,
  write,
} from '../broken-request.ts';
import { newDatabase, newService, newTenant } from '../stage.ts';

/** A request may take 30 s to arrive, and Node looks for late ones every 30 s; the rest is for a slow machine. */
const boundMs = 90_000;

const bytes = (...parts: readonly (string | Buffer)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));

/** What is sent at once, and what then byte by byte, one a second. */
const slow: Readonly<Record<string, (push: RawPush) => readonly [Buffer, Buffer]>> = {
  'nothing at all': () => [bytes(), bytes()],
  'half a head': ({ head }) => [bytes(head.slice(0, 100)), bytes()],
  'half a body': ({ head, body }) => [bytes(head, body.subarray(0, 100)), bytes()],
  'a trickle of a head': ({ head }) => [bytes(head.slice(0, 100)), bytes(head.slice(100))],
  'a trickle of a body': ({ head, body }) => [bytes(head), body],
  'a trickle of chunks': ({ head, body }) => [bytes(head, `${body.length.toString(16)}\r\n`), body],
};

async function trickle({ socket }: RawConnection, rest: Buffer): Promise<void> {
  for (const byte of rest) {
    await sleep(1_000);
    if (socket.closed) return;
    await write(socket, Buffer.of(byte));
  }
}

/** Fails where the service does not close a connection within the bound. */
async function answerOf(service: Service, [first, rest]: readonly [Buffer, Buffer]) {
  const connection = await openRaw(service.port);
  await write(connection.socket, first);
  void trickle(connection, rest);
  const late = sleep(boundMs, 'still open', { ref: false });
  const answer = await Promise.race([connection.closed, late]);
  connection.socket.destroy();
  return answer;
}

test('fault 16: whoever does not send a request whole in time is cut off, and others are served meanwhile', {
  timeout: 2 * boundMs,
}, async () => {
  const databaseUrl = await newDatabase();
  const service = await newService(databaseUrl);
  const [tenant, neighbour] = [newTenant(databaseUrl), newTenant(databaseUrl)];
  const open = new Set<string>();
  const answers = Object.entries(slow).map(async ([what, split]) => {
    const framing = what.includes('chunks') ? chunked : lengthOf();
    const events = [put(what, { body: 'A'.repeat(200) })];
    open.add(what);
    const answer = await answerOf(service, split(rawPush(service, tenant.id, events, framing)));
    open.delete(what);
    return [what, answer.slice(0, 12)];
  });

  const device = neighbour.device('laptop', service);
  while (open.size > 0) {
    expect(await device.push([put('n1', { title: [...open].join() })])).toMatchObject({
      outcome: 'ok',
    });
    await sleep(500);
  }
  const timedOut = Object.keys(slow).map((what) => [what, 'HTTP/1.1 408']);
  expect(await Promise.all(answers)).toEqual(timedOut);
  expect(await readStored(databaseUrl, tenant.id)).toMatchObject({ head: 0, log: [] });
  await device.catchUp();
  await neighbour.expectNothingLost();
  await service.stop();
  expect(service.logLines.at(-1)).toMatchObject({ event: 'service.stopped' });
});
