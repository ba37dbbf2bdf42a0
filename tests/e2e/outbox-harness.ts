import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { Server } from '../outbox/request.ts';
import { startTcpProxy, type TcpProxy } from '../testkit/network/tcp-proxy.ts';
import { withClient } from '../testkit/postgres/client.ts';
import { cutHistory } from '../testkit/postgres/tenant-history.ts';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { type ServiceProcess, startService } from '../testkit/processes/service-process.ts';
import { type GatewayHandler, startGateway } from './gateway.ts';
import { noteKinds } from './systems/notes/client.ts';
import { createTestDevice, type TestDevice, type TestDeviceOptions } from './test-device.ts';

interface LogEntry {
  readonly identity_key: string;
  readonly outcome: string;
}

let database: TestDatabase;
let service: ServiceProcess;
let folder: string;
let tenant: string;
const cleanups: (() => unknown)[] = [];

/** Starts a service for a test file, and gives each test a tenant of its own. */
export function useOutboxes(): void {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'landfall-outbox-'));
    database = await createDatabase();
    service = await startService({ dataDir: folder, env: { DATABASE_URL: database.url } });
  });
  afterAll(async () => {
    await service?.stop();
    await database?.drop();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    tenant = `tenant-${randomUUID()}`;
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });
}

/** Opens a device. Each name has a file of its own, which a second call opens again. */
export function open(device: string, options: Partial<TestDeviceOptions> = {}): TestDevice {
  const opened = createTestDevice({
    file: fileOf(device),
    url: service.url,
    token: () => tokenOf(device),
    kinds: noteKinds,
    ...options,
  });
  cleanups.push(opened.close);
  return opened;
}

export async function openBehindProxy(
  device: string,
  options: Partial<TestDeviceOptions> = {},
  port = service.port,
): Promise<[TestDevice, TcpProxy]> {
  const proxy = await startTcpProxy(port);
  cleanups.push(() => proxy.close());
  return [open(device, { url: proxy.url, ...options }), proxy];
}

/** @param answering returns the answer that the device gets: that of the service, or another */
export async function openBehindGateway(
  device: string,
  answering: GatewayHandler,
  options: Partial<TestDeviceOptions> = {},
  target = () => service.url,
): Promise<TestDevice> {
  const gateway = await startGateway(target, answering);
  cleanups.push(gateway.close);
  return open(device, { ...options, url: gateway.url });
}

export function fileOf(device: string): string {
  return join(folder, `${tenant}-${device}.sqlite`);
}

export function tokenOf(device: string, claims: { ttl?: number; scope?: string } = {}): string {
  return service.token({ tenant, device, ...claims });
}

/** For requests that are not made by an outbox. */
export function serverAs(device: string, claims: { scope?: string } = {}): Server {
  return { url: service.url, token: () => tokenOf(device, claims) };
}

export const databaseUrl = () => database.url;

/** Another service process on the same database. */
export async function startAnother(env = {}, port = 0): Promise<ServiceProcess> {
  const withDatabase = { DATABASE_URL: database.url, ...env };
  const another = await startService({ dataDir: folder, port, env: withDatabase });
  cleanups.push(() => another.stop());
  return another;
}

/** A service of another installation, with an empty database. */
export async function startFresh(): Promise<ServiceProcess> {
  const fresh = await createDatabase();
  cleanups.push(() => fresh.drop());
  // Test databases are copies of one database, and have its secret.
  await withClient(fresh.url, (client) =>
    client.query("UPDATE instance SET secret = decode(md5(random()::text), 'hex')"),
  );
  return startAnother({ DATABASE_URL: fresh.url });
}

/** Runs SQL in which $1 is the tenant. */
export function queryTenant(sql: string): Promise<LogEntry[]> {
  return withClient(database.url, async (client) => (await client.query(sql, [tenant])).rows);
}

/** As if a backup had been restored that was made when the tenant's newest event was this version. */
export async function restoreTo(version: number): Promise<void> {
  await withClient(database.url, (client) =>
    cutHistory((text, values) => client.query(text, [...values]), tenant, version),
  );
  await queryTenant('UPDATE tenants SET epoch = gen_random_uuid() WHERE id = $1');
}

/** Runs `work` while a lock makes all batches of the tenant wait. */
export function whileTenantIsLocked<Result>(work: () => Promise<Result>): Promise<Result> {
  return withClient(database.url, async (client) => {
    await client.query('BEGIN');
    await client.query('SELECT FROM tenants WHERE id = $1 FOR UPDATE', [tenant]);
    return work();
  });
}

/** The tenant's stored events, by version. */
export function serverLog(): Promise<LogEntry[]> {
  return queryTenant(
    'SELECT identity_key, outcome FROM event_log WHERE tenant_id = $1 ORDER BY version',
  );
}

/** What a new device pulls. */
export async function serverNotes() {
  const fresh = open(randomUUID());
  await fresh.pull();
  return notes(fresh);
}

export const put = (noteId: string, title = noteId, body = '') => ({
  kind: 'note.put',
  payload: { noteId, title, body },
});

export const patch = (noteId: string, fields: { title?: string; body?: string }) => ({
  kind: 'note.patch',
  payload: { noteId, ...fields },
});

export const remove = (noteId: string) => ({ kind: 'note.remove', payload: { noteId } });

export const notes = (device: TestDevice) => Object.fromEntries(device.view('note'));

type Queued = ReturnType<TestDevice['pending']>;
export const codes = (events: Queued) => events.map(({ lastError }) => lastError.code);
export const attempts = (events: Queued) => events.map(({ lastError }) => lastError.attempts ?? 0);

/** Queues `count` new notes. @returns their identityKeys */
export function putMany(device: TestDevice, count: number): string[] {
  return Array.from({ length: count }, (_, i) => device.enqueue(put(`n${i}`)));
}

export const keysOf = (log: readonly LogEntry[]) => log.map((event) => event.identity_key);

/** A device's clock. It moves when the test says so, and when the device sleeps. */
export function fakeClock(start = Date.now()) {
  let now = start;
  return {
    clock: () => now,
    random: () => 0,
    sleep: async (milliseconds: number) => {
      now += milliseconds;
    },
    pass: (milliseconds: number) => {
      now += milliseconds;
    },
  };
}

interface Push {
  readonly keys: string[];
  readonly statuses: string[];
  readonly sentAt: string;
}

/** A fetch that records the events of each push, and their results. */
export function recordingFetch() {
  const pushes: Push[] = [];
  const recorder: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init);
    if (typeof init?.body !== 'string') return answer;
    const { events, sentAt } = JSON.parse(init.body);
    const { results = [] } = JSON.parse(await answer.clone().text());
    pushes.push({
      sentAt,
      keys: events.map((event: { identityKey: string }) => event.identityKey),
      statuses: results.map((result: { status: string }) => result.status),
    });
    return answer;
  };
  return { fetch: recorder, pushes };
}
