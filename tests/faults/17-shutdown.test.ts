import { connect, type Socket } from 'node:net';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../testkit/database.ts';
import { removeDataDir } from '../testkit/postgres.ts';
import { type Service, startService } from '../testkit/service.ts';

const tenant = 'shop';
const workers = 8;
/** For what hangs. */
const patient = { timeout: 30_000 };
const phases = ['service.stopping', 'service.draining', 'service.drained', 'service.stopped'];

let database: TestDatabase;
let dataDir: string;
let service: Service;
beforeEach(async () => {
  database = await createDatabase();
  dataDir = await mkdtemp(join(tmpdir(), 'landfall-shutdown-'));
});
afterEach(async () => {
  await service.kill();
  await removeDataDir(dataDir);
  await database.drop();
});

const start = async (SHUTDOWN_DELAY: string) => {
  service = await startService({ dataDir, env: { DATABASE_URL: database.url, SHUTDOWN_DELAY } });
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
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const { rows } = await client.query<{ key: string }>(
    'SELECT identity_key AS key FROM events WHERE tenant_id = $1 ORDER BY 1',
    [tenant],
  );
  await client.end();
  return rows.map(({ key }) => key);
}

interface Sent {
  readonly keys: readonly string[];
  /** Null: there was no answer at all. */
  readonly answer: {
    readonly requestId: string;
    readonly status: number;
    readonly body: unknown;
  } | null;
}

/** Pushes until the service takes no more. @throws where an answer begins and does not end */
async function pushOn(device: string, sent: Sent[]): Promise<void> {
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

test('fault 17: under load every request that was taken is answered whole, and nothing else is stored', async () => {
  await start('3s');
  const sent: Sent[] = [];
  const devices = Array.from({ length: workers }, (_, number) => `device-${number}`);
  const load = Promise.all(devices.map((device) => pushOn(device, sent)));
  await expect.poll(() => sent.length, patient).toBeGreaterThan(5 * workers);

  process.kill(service.pid, 'SIGTERM');
  const isReady = async () => (await fetch(`${service.url}/readyz`)).json();
  await expect.poll(isReady).toMatchObject({ status: 'unavailable', checks: { accepting: false } });
  expect(logged('service.draining')).toEqual([]);
  const sentBefore = sent.length;
  await expect.poll(() => sent.length, patient).toBeGreaterThan(sentBefore + workers);

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
  await expect.poll(() => events().at(-1), patient).toBe('service.stopped');
  expect(events().filter((event) => phases.includes(String(event)))).toEqual(phases);
  await expect(fetch(`${service.url}/livez`)).rejects.toThrow('fetch failed');
});

/** A push in two halves over a connection of its own. The service has the first when this returns. */
async function halfPush(key: string) {
  const body = JSON.stringify(batchOf(key));
  const head = [
    'POST /api/sync/events HTTP/1.1',
    'Host: h',
    `Authorization: Bearer ${service.token({ tenant })}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    'Expect: 100-continue',
  ];
  const socket = open();
  socket.socket.write(`${head.join('\r\n')}\r\n\r\n${body.slice(0, 20)}`);
  await expect.poll(socket.text, patient).toBe('HTTP/1.1 100 Continue\r\n\r\n');
  return { ...socket, finish: () => socket.socket.write(body.slice(20)) };
}

function open() {
  const socket: Socket = connect({ port: service.port, host: '127.0.0.1' });
  let text = '';
  socket.on('data', (chunk) => (text += String(chunk)));
  socket.on('error', () => {});
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(text)));
  return { socket, closed, text: () => text };
}

test('fault 17: a push that arrives slowly is answered, and connections that ask for nothing hold nobody up', async () => {
  await start('0s');
  const fresh = open();
  const idle = open();
  idle.socket.write('GET /livez HTTP/1.1\r\nHost: h\r\n\r\n');
  await expect.poll(idle.text, patient).toContain('{"status":"ok"}');
  const halfHead = open();
  halfHead.socket.write('GET /livez HTTP/1.1\r\nHo');
  // The others are there: this came after them, on a connection of its own.
  const push = await halfPush('slow');

  process.kill(service.pid, 'SIGTERM');
  await Promise.all([fresh.closed, idle.closed, halfHead.closed]);
  await expect.poll(() => logged('service.draining'), patient).toHaveLength(1);
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

test('fault 17: a second signal ends it at once, with a line that says so', async () => {
  await start('10s');
  process.kill(service.pid, 'SIGTERM');
  await expect.poll(() => logged('service.stopping'), patient).toHaveLength(1);
  expect((await fetch(`${service.url}/livez`)).headers.get('connection')).toBe('close');
  process.kill(service.pid, 'SIGINT');
  expect(await service.ended).toBe(1);
  expect(logged('service.cut-short')).toMatchObject([{ level: 'error', reason: 'SIGINT' }]);
  expect(logged('service.draining')).toEqual([]);
});
