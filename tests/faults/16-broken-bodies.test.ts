import { beforeEach, expect, test } from 'vitest';
import { readStored } from '../testkit/checker/stored.ts';
import { put, type SentEvent } from '../testkit/oracle/events.ts';
import type { Service } from '../testkit/service.ts';
import { chunked, lengthOf, openChunks, openRaw, rawPush, write } from './broken-request.ts';
import { newDatabase, newProxy, newService, newTenant, type StagedTenant } from './stage.ts';

let databaseUrl: string;
let service: Service;
let tenant: StagedTenant;
beforeEach(async () => {
  databaseUrl = await newDatabase();
  service = await newService(databaseUrl);
  tenant = newTenant(databaseUrl);
});

/** Only a service without open connections stops in order. */
async function expectNoConnectionLeft(): Promise<void> {
  await service.stop();
  expect(service.logLines.at(-1)).toMatchObject({ event: 'service.stopped' });
}

const push = (events: readonly SentEvent[], ...rest: Framing) =>
  rawPush(service, tenant.id, events, ...rest);
type Framing = [framing: (body: Buffer) => string, encoding?: 'identity' | 'gzip'];

const half = (body: Buffer) => body.subarray(0, body.length >> 1);
const whole = (body: Buffer) => body;
const broken: readonly (readonly [string, (body: Buffer) => Buffer, Framing])[] = [
  ['half of its body', half, [lengthOf()]],
  ['none of its body', () => Buffer.alloc(0), [lengthOf()]],
  ['all of its body but one byte that it promised', whole, [lengthOf(1)]],
  ['half of its chunks', (body) => half(openChunks(body)), [chunked]],
  ['all of its chunks but the end', openChunks, [chunked]],
  ['half of its gzip', half, [lengthOf(), 'gzip']],
  ['all of its gzip but one byte that it promised', whole, [lengthOf(1), 'gzip']],
];

test.each(['goes away', 'breaks'])(
  'fault 16: of a push whose client %s before it was sent whole, nothing is stored',
  async (how) => {
    const batches: SentEvent[][] = [];
    for (const [what, partOf, framing] of broken) {
      const events = [put(what, { title: 'A' }), put(what, { title: 'B' })];
      batches.push(events);
      const { head, body } = push(events, ...framing);
      const { socket, closed } = await openRaw(service.port);
      await write(socket, head);
      await write(socket, partOf(body));
      if (how === 'breaks') socket.resetAndDestroy();
      else socket.end();
      expect(await closed).not.toMatch(/^HTTP\/1.1 2/);
    }
    expect(await readStored(databaseUrl, tenant.id)).toMatchObject({ head: 0, log: [] });

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

test('fault 16: a push whose client breaks off after the last byte is stored whole or not at all', async () => {
  const batches = Array.from({ length: 20 }, (_, at) => [put(`n${at}`), put(`m${at}`)]);
  for (const events of batches) {
    const { head, body } = push(events, lengthOf());
    const { socket, closed } = await openRaw(service.port);
    await write(socket, Buffer.concat([Buffer.from(head), body]));
    socket.resetAndDestroy();
    await closed;
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

test('fault 16: a push whose body comes in crumbs is stored once', async () => {
  const network = await newProxy(service.port);
  network.slice(3);
  network.delay(1);
  const device = tenant.device('laptop', { ...service, url: network.url });
  const events = Array.from({ length: 5 }, (_, at) => put(`n${at}`, { title: 'ü'.repeat(20) }));
  expect(await device.push(events)).toMatchObject({ outcome: 'ok' });
  await device.catchUp();
  await tenant.expectNothingLost();
});
