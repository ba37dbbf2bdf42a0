import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { readStoredState } from '../../testkit/checker/stored-state.ts';
import { putNote } from '../../testkit/events/sent-events.ts';
import type { ServiceProcess } from '../../testkit/processes/service-process.ts';
import {
  openConnection,
  type RawConnection,
  writeAll,
} from '../../testkit/network/raw-connection.ts';
import { buildRawPush, chunkedEncoding, contentLength, type RawPush } from '../broken-request.ts';
import { newDatabase, newService, newTenant } from '../fixtures.ts';

/** A request may take 30 s to arrive, and Node.js checks that every 30 s. The rest is for a slow machine. */
const maxOpenMs = 90_000;

const bytes = (...parts: readonly (string | Buffer)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));

/** The bytes that are sent at once, and those that follow one by one, one each second. */
const slowRequests: Readonly<Record<string, (push: RawPush) => readonly [Buffer, Buffer]>> = {
  'nothing at all': () => [bytes(), bytes()],
  'half a head': ({ head }) => [bytes(head.slice(0, 100)), bytes()],
  'half a body': ({ head, body }) => [bytes(head, body.subarray(0, 100)), bytes()],
  'a trickle of a head': ({ head }) => [bytes(head.slice(0, 100)), bytes(head.slice(100))],
  'a trickle of a body': ({ head, body }) => [bytes(head), body],
  'a trickle of chunks': ({ head, body }) => [bytes(head, `${body.length.toString(16)}\r\n`), body],
};

async function trickle(connection: RawConnection, rest: Buffer): Promise<void> {
  for (const byte of rest) {
    await sleep(1_000);
    if (connection.socket.closed) return;
    await writeAll(connection, Buffer.of(byte));
  }
}

/** The bytes that the service has answered, or `still open` where it does not close the connection in time. */
async function answerOf(service: ServiceProcess, [first, rest]: readonly [Buffer, Buffer]) {
  const connection = await openConnection(service.port);
  await writeAll(connection, first);
  void trickle(connection, rest);
  const late = sleep(maxOpenMs, 'still open', { ref: false });
  const answer = await Promise.race([connection.closed, late]);
  connection.socket.destroy();
  return answer;
}

test('fault 16: the service answers 408 to requests that arrive too slowly, and serves other clients meanwhile', {
  timeout: 2 * maxOpenMs,
}, async () => {
  const databaseUrl = await newDatabase();
  const service = await newService(databaseUrl);
  const [tenant, neighbour] = [newTenant(databaseUrl), newTenant(databaseUrl)];
  const open = new Set<string>();
  const answers = Object.entries(slowRequests).map(async ([what, split]) => {
    const framing = what.includes('chunks') ? chunkedEncoding : contentLength();
    const events = [putNote(what, { body: 'A'.repeat(200) })];
    open.add(what);
    const answer = await answerOf(
      service,
      split(buildRawPush(service, tenant.id, events, framing)),
    );
    open.delete(what);
    return [what, answer.slice(0, 12)];
  });

  const device = neighbour.device('laptop', service);
  while (open.size > 0) {
    expect(await device.push([putNote('n1', { title: [...open].join() })])).toMatchObject({
      outcome: 'ok',
    });
    await sleep(500);
  }
  const timedOut = Object.keys(slowRequests).map((what) => [what, 'HTTP/1.1 408']);
  expect(await Promise.all(answers)).toEqual(timedOut);
  expect(await readStoredState(databaseUrl, tenant.id)).toMatchObject({ head: 0, log: [] });
  await device.catchUp();
  await neighbour.expectNothingLost();
  await service.stop();
  expect(service.logLines.at(-1)).toMatchObject({ event: 'service.stopped' });
});
