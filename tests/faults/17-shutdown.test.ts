import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, expect, test } from 'vitest';
import { openConnection } from '../testkit/network/raw-connection.ts';
import { withClient } from '../testkit/postgres/client.ts';
import type { ServiceProcess } from '../testkit/processes/service-process.ts';
import { newDatabase, newService } from './fixtures.ts';

const tenant = 'shop';
const deviceCount = 8;
const polling = { timeout: 30_000 };
const phases = ['service.stopping', 'service.draining', 'service.drained', 'service.stopped'];

let databaseUrl: string;
let service: ServiceProcess;
beforeEach(async () => {
  databaseUrl = await newDatabase();
});

const start = async (SHUTDOWN_DELAY: string) => {
  service = await newService(databaseUrl, { SHUTDOWN_DELAY });
};
const logged = (event: string) => service.logLines.filter((line) => line.event === event);
const batchOf = (key: string) => ({
  events: [1, 2, 3].map((number) => ({
    identityKey: `${key}-${number}`,
    kind: 'note.put',
    payload: { noteId: `${key}-${number}`, title: '', body: '' },
  })),
});

async function storedKeys(): Promise<readonly string[]> {
  const text = 'SELECT identity_key AS key FROM event_log WHERE tenant_id = $1 ORDER BY 1';
  const { rows } = await withClient(databaseUrl, (client) =>
    client.query<{ key: string }>(text, [tenant]),
  );
  return rows.map(({ key }) => key);
}

interface SentBatch {
  readonly keys: readonly string[];
  /** Null without an answer. */
  readonly answer: {
    readonly requestId: string;
    readonly status: number;
    readonly body: unknown;
  } | null;
}

/** Pushes until a push is not answered. @throws Error where an answer is incomplete */
async function pushUntilRefused(device: string, sent: SentBatch[]): Promise<void> {
  const headers = {
    authorization: `Bearer ${service.token({ tenant, device })}`,
    'content-type': 'application/json',
  };
  for (let number = 1; ; number += 1) {
    const batch = batchOf(`${device}-${number}`);
    const keys = batch.events.map(({ identityKey }) => identityKey);
    const body = JSON.stringify(batch);
    const url = `${service.url}/api/sync/events`;
    const answer = await fetch(url, { method: 'POST', headers, body }).catch(() => null);
    if (answer === null) {
      sent.push({ keys, answer });
      return;
    }
    const requestId = answer.headers.get('x-request-id') ?? '';
    sent.push({ keys, answer: { requestId, status: answer.status, body: await answer.json() } });
  }
}

test('fault 17: a shutdown under load answers every accepted request completely, and stores nothing else', async () => {
  await start('3s');
  const sent: SentBatch[] = [];
  const devices = Array.from({ length: deviceCount }, (_, number) => `device-${number}`);
  const load = Promise.all(devices.map((device) => pushUntilRefused(device, sent)));
  await expect.poll(() => sent.length, polling).toBeGreaterThan(5 * deviceCount);

  process.kill(service.pid, 'SIGTERM');
  const isReady = async () => (await fetch(`${service.url}/readyz`)).json();
  await expect.poll(isReady).toMatchObject({ status: 'unavailable', checks: { accepting: false } });
  expect(logged('service.draining')).toEqual([]);
  const sentBefore = sent.length;
  await expect.poll(() => sent.length, polling).toBeGreaterThan(sentBefore + deviceCount);

  await load;
  expect(await service.ended).toBe(0);
  const answered = sent.filter(({ answer }) => answer !== null);
  for (const { keys, answer } of answered) {
    expect(answer).toMatchObject({ status: 200, body: { success: true, processed: keys } });
  }
  const acknowledged = answered.flatMap(({ keys }) => keys);
  expect(await storedKeys()).toEqual(acknowledged.toSorted());
  const pushes = logged('request').filter(({ route }) => route === '/api/sync/events');
  expect(pushes).toHaveLength(answered.length);
  expect(new Set(pushes.map(({ reqId }) => reqId))).toEqual(
    new Set(answered.map(({ answer }) => answer?.requestId)),
  );
  const events = () => service.logLines.map(({ event }) => event);
  await expect.poll(() => events().at(-1), polling).toBe('service.stopped');
  expect(events().filter((event) => phases.includes(String(event)))).toEqual(phases);
  await expect(fetch(`${service.url}/livez`)).rejects.toThrow('fetch failed');
});

/** Sends a part of a push over a new connection. Resolves once the service has it. @returns sends the rest */
async function beginPush(key: string) {
  const body = JSON.stringify(batchOf(key));
  const head = [
    'POST /api/sync/events HTTP/1.1',
    'Host: h',
    `Authorization: Bearer ${service.token({ tenant })}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    'Expect: 100-continue',
  ];
  const connection = await openConnection(service.port);
  connection.write(`${head.join('\r\n')}\r\n\r\n${body.slice(0, 20)}`);
  await expect.poll(() => connection.received(), polling).toBe('HTTP/1.1 100 Continue\r\n\r\n');
  return { closed: connection.closed, finish: () => connection.write(body.slice(20)) };
}

test('fault 17: a shutdown answers a push that arrives slowly, and does not wait for connections without a request', async () => {
  await start('0s');
  const fresh = await openConnection(service.port);
  const idle = await openConnection(service.port);
  idle.write('GET /livez HTTP/1.1\r\nHost: h\r\n\r\n');
  await expect.poll(() => idle.received(), polling).toContain('{"status":"ok"}');
  const halfHead = await openConnection(service.port);
  halfHead.write('GET /livez HTTP/1.1\r\nHo');
  // The service has accepted the other connections before the connection of this push.
  const push = await beginPush('slow');

  process.kill(service.pid, 'SIGTERM');
  await Promise.all([fresh.closed, idle.closed, halfHead.closed]);
  await expect.poll(() => logged('service.draining'), polling).toHaveLength(1);
  await sleep(100);
  expect(logged('service.drained')).toEqual([]);
  push.finish();
  const answer = await push.closed;
  expect(answer).toMatch(/^HTTP\/1\.1 200 /m);
  expect(answer).toMatch(/^connection: close\r$/im);
  expect(answer).toContain('"processed":["slow-1","slow-2","slow-3"]');
  expect(await service.ended).toBe(0);
  expect(await storedKeys()).toEqual(['slow-1', 'slow-2', 'slow-3']);
});

test('fault 17: a second signal ends the process at once, with a log line about it', async () => {
  await start('10s');
  process.kill(service.pid, 'SIGTERM');
  await expect.poll(() => logged('service.stopping'), polling).toHaveLength(1);
  expect((await fetch(`${service.url}/livez`)).headers.get('connection')).toBe('close');
  process.kill(service.pid, 'SIGINT');
  expect(await service.ended).toBe(1);
  expect(logged('service.cut-short')).toMatchObject([{ level: 'error', reason: 'SIGINT' }]);
  expect(logged('service.draining')).toEqual([]);
});
