import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { Server } from '../outbox/client.ts';
import { noteKinds } from '../outbox/notes.ts';
import { createOutbox, type Outbox, type OutboxOptions } from '../outbox/outbox.ts';
import { startTcpProxy, type TcpProxy } from '../testkit/tcp-proxy.ts';
import { createDatabase, type TestDatabase } from '../testkit/database.ts';
import { type Service, startService } from '../testkit/service.ts';
import { withClient } from '../testkit/template.ts';
import { type Answering, startGateway } from './gateway.ts';

interface LogEntry {
  readonly identity_key: string;
  readonly outcome: string;
}

let database: TestDatabase;
let service: Service;
let folder: string;
let tenant: string;
const cleanups: (() => unknown)[] = [];

/** Gives a test file its service, and each of its tests a tenant of its own. */
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

/** A device with a file of its own; the same name opens the same file again. */
export function open(device: string, options: Partial<OutboxOptions> = {}): Outbox {
  const outbox = createOutbox({
    file: fileOf(device),
    url: service.url,
    token: () => tokenOf(device),
    kinds: noteKinds,
    ...options,
  });
  cleanups.push(outbox.close);
  return outbox;
}

export async function openBehindProxy(
  device: string,
  options: Partial<OutboxOptions> = {},
  port = service.port,
): Promise<[Outbox, TcpProxy]> {
  const proxy = await startTcpProxy(port);
  cleanups.push(() => proxy.close());
  return [open(device, { url: proxy.url, ...options }), proxy];
}

/** @param answering what the device is answered, in place of the service or beside it */
export async function openBehindGateway(
  device: string,
  answering: Answering,
  options: Partial<OutboxOptions> = {},
  target = () => service.url,
): Promise<Outbox> {
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

/** For calls beside those of an outbox. */
export function serverAs(device: string, claims: { scope?: string } = {}): Server {
  return { url: service.url, token: () => tokenOf(device, claims) };
}

export const databaseUrl = () => database.url;

/** Another service process on the same database. */
export async function startAnother(env = {}, port = 0): Promise<Service> {
  const withDatabase = { DATABASE_URL: database.url, ...env };
  const another = await startService({ dataDir: folder, port, env: withDatabase });
  cleanups.push(() => another.stop());
  return another;
}

/** A service of another installation, which has never heard of any tenant. */
export async function startFresh(): Promise<Service> {
  const fresh = await createDatabase();
  cleanups.push(() => fresh.drop());
  // Test databases are copies of one, its secret among them.
  await withClient(fresh.url, (client) =>
    client.query("UPDATE instance SET secret = decode(md5(random()::text), 'hex')"),
  );
  return startAnother({ DATABASE_URL: fresh.url });
}

/** Runs SQL in which $1 is the tenant. */
export function queryTenant(sql: string): Promise<LogEntry[]> {
  return withClient(database.url, async (client) => (await client.query(sql, [tenant])).rows);
}

/** During `work` all batches of the tenant have to wait. */
export function whileTenantIsLocked<Result>(work: () => Promise<Result>): Promise<Result> {
  return withClient(database.url, async (client) => {
    await client.query('BEGIN');
    await client.query('SELECT FROM tenants WHERE id = $1 FOR UPDATE', [tenant]);
    return work();
  });
}

/** The tenant's events as the service has them, in the order of their versions. */
export function serverLog(): Promise<LogEntry[]> {
  return queryTenant(
    'SELECT identity_key, outcome FROM events WHERE tenant_id = $1 ORDER BY version',
  );
}

/** What a device that was never seen before pulls. */
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

export const notes = (outbox: Outbox) => Object.fromEntries(outbox.view('note'));

type Queued = ReturnType<Outbox['pending']>;
export const codes = (events: Queued) => events.map(({ lastError }) => lastError?.code);
export const attempts = (events: Queued) => events.map((event) => event.attempts);

/** Queues that many new notes. @returns their identityKeys */
export function putMany(outbox: Outbox, count: number): string[] {
  return Array.from({ length: count }, (_, i) => outbox.enqueue(put(`n${i}`)));
}

export const keysOf = (log: readonly LogEntry[]) => log.map((event) => event.identity_key);

/** A device's clock that a test moves, and that goes on when the device sleeps. */
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

/** A fetch that notes what each push sent and was answered. */
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
