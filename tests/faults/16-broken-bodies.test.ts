import { beforeEach, expect, test } from 'vitest';
import { readStoredState } from '../testkit/checker/stored-state.ts';
import { putNote, type SentEvent } from '../testkit/events/sent-events.ts';
import type { ServiceProcess } from '../testkit/processes/service-process.ts';
import { openConnection, writeAll } from '../testkit/network/raw-connection.ts';
import {
  buildRawPush,
  chunkedEncoding,
  contentLength,
  unterminatedChunks,
} from './broken-request.ts';
import { newDatabase, newProxy, newService, newTenant, type CheckedTenant } from './fixtures.ts';

let databaseUrl: string;
let service: ServiceProcess;
let tenant: CheckedTenant;
beforeEach(async () => {
  databaseUrl = await newDatabase();
  service = await newService(databaseUrl);
  tenant = newTenant(databaseUrl);
});

/** A service with an open connection would not log that it has stopped. */
async function expectNoConnectionLeft(): Promise<void> {
  await service.stop();
  expect(service.logLines.at(-1)).toMatchObject({ event: 'service.stopped' });
}

const push = (events: readonly SentEvent[], ...rest: Framing) =>
  buildRawPush(service, tenant.id, events, ...rest);
type Framing = [framing: (body: Buffer) => string, encoding?: 'identity' | 'gzip'];

const half = (body: Buffer) => body.subarray(0, body.length >> 1);
const whole = (body: Buffer) => body;
const brokenPushes: readonly (readonly [string, (body: Buffer) => Buffer, Framing])[] = [
  ['half of its body', half, [contentLength()]],
  ['none of its body', () => Buffer.alloc(0), [contentLength()]],
  ['all of its body but one byte that it promised', whole, [contentLength(1)]],
  ['half of its chunks', (body) => half(unterminatedChunks(body)), [chunkedEncoding]],
  ['all of its chunks but the end', unterminatedChunks, [chunkedEncoding]],
  ['half of its gzip', half, [contentLength(), 'gzip']],
  ['all of its gzip but one byte that it promised', whole, [contentLength(1), 'gzip']],
];

test.each(['closes', 'resets'])(
  'fault 16: nothing is stored of a push whose client %s the connection before the end of the body',
  async (how) => {
    const batches: SentEvent[][] = [];
    for (const [what, partOf, framing] of brokenPushes) {
      const events = [putNote(what, { title: 'A' }), putNote(what, { title: 'B' })];
      batches.push(events);
      const { head, body } = push(events, ...framing);
      const connection = await openConnection(service.port);
      await writeAll(connection, head);
      await writeAll(connection, partOf(body));
      if (how === 'resets') connection.reset();
      else connection.socket.end();
      expect(await connection.closed).not.toMatch(/^HTTP\/1.1 2/);
    }
    expect(await readStoredState(databaseUrl, tenant.id)).toMatchObject({ head: 0, log: [] });

    const device = tenant.device('laptop', service);
    for (const events of batches) {
      const { answer } = await device.push(events);
      expect(answer?.results?.map(({ status }) => status)).toEqual(['applied', 'applied']);
    }
    await device.catchUp();
    await tenant.expectNothingLost();
    await expectNoConnectionLeft();
  },
);

test('fault 16: a push whose client resets the connection after the last byte is stored completely or not at all', async () => {
  const batches = Array.from({ length: 20 }, (_, at) => [putNote(`n${at}`), putNote(`m${at}`)]);
  for (const events of batches) {
    const { head, body } = push(events, contentLength());
    const connection = await openConnection(service.port);
    await writeAll(connection, Buffer.concat([Buffer.from(head), body]));
    connection.reset();
    await connection.closed;
  }
  const device = tenant.device('laptop', service);
  for (const events of batches) {
    const { answer } = await device.push(events);
    const [first, second] = answer?.results?.map(({ status }) => status) ?? [];
    expect(first).toMatch(/^(applied|duplicate)$/);
    expect(second).toBe(first);
  }
  await device.catchUp();
  await tenant.expectNothingLost();
  await expectNoConnectionLeft();
});

test('fault 16: a push whose body arrives in pieces of three bytes is stored once', async () => {
  const network = await newProxy(service.port);
  network.setChunkSize(3);
  network.setLatency(1);
  const device = tenant.device('laptop', { ...service, url: network.url });
  const events = Array.from({ length: 5 }, (_, at) => putNote(`n${at}`, { title: 'ü'.repeat(20) }));
  expect(await device.push(events)).toMatchObject({ outcome: 'ok' });
  await device.catchUp();
  await tenant.expectNothingLost();
});
