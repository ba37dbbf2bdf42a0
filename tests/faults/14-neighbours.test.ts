import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../testkit/database.ts';
import { removeDataDir } from '../testkit/postgres.ts';
import { type Service, startService } from '../testkit/service.ts';

const crowdSize = 500;
/** One after the other, as the last of all to come. */
const quietRequests = 5;
/** Events a push of the crowd. */
const batchSize = 15;
/** Large, so that the crowd comes faster than its pages. */
const pageSize = 400;
/** For what hangs. */
const patient = { timeout: 60_000 };

let database: TestDatabase;
let dataDir: string;
let service: Service;
beforeEach(async () => {
  database = await createDatabase();
  dataDir = await mkdtemp(join(tmpdir(), 'landfall-neighbours-'));
});
afterEach(async () => {
  await service.kill();
  await removeDataDir(dataDir);
  await database.drop();
});

/** Small transactions, and one read at a time: a queue builds up on any machine. */
async function start(env: { readonly [name: string]: string }): Promise<void> {
  const narrow = {
    ...{ COMMIT_LANES: '1', READ_LANES: '1', MAX_GROUP_EVENTS: `${2 * batchSize}` },
    // A slow machine may take seconds to read the crowd; here that is no reason to refuse anybody.
    MAX_EVENT_LOOP_DELAY: '1h',
  };
  service = await startService({ dataDir, env: { DATABASE_URL: database.url, ...narrow, ...env } });
}

type Sender = 'crowd' | 'quiet';

interface Answer {
  readonly status: number;
  readonly code: unknown;
  readonly retryAfter: string | null;
}

async function ask(sender: Sender, path: string, body?: object): Promise<Answer> {
  // Each sender is a tenant with one device, by which the log knows it.
  const token = service.token({ tenant: sender, device: sender });
  const answer = await fetch(`${service.url}${path}`, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
  });
  const { code } = (await answer.json()) as { code?: unknown };
  return { status: answer.status, code, retryAfter: answer.headers.get('retry-after') };
}

const keysOf = (name: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${name}-${index}`);

function push(sender: Sender, name: string, count = batchSize): Promise<Answer> {
  const events = keysOf(name, count).map((key) => ({
    ...{ identityKey: key, kind: 'note.put' },
    payload: { noteId: key, title: key, body: 'x'.repeat(100) },
  }));
  return ask(sender, '/api/sync/events', { events });
}

const pull = (sender: Sender) => ask(sender, `/api/sync/changes?limit=${pageSize}`);

/** Who was answered, in the order in which the answers left. */
async function answeredInOrder(requests: number): Promise<readonly unknown[]> {
  const devices = () =>
    service.logLines.flatMap(({ event, device }) => (event === 'request' ? [device] : []));
  await expect.poll(() => devices().length, patient).toBe(requests);
  return devices();
}

interface Asked {
  readonly crowd: readonly Answer[];
  readonly quiet: readonly Answer[];
}

/** The crowd asks all at once, and then the quiet one, while the crowd's queue is as long as it gets. */
async function askAll(one: (sender: Sender, name: string) => Promise<Answer>): Promise<Asked> {
  const names = Array.from({ length: crowdSize }, (_, index) => `crowd-${index}`);
  const crowd = Promise.all(names.map((name) => one('crowd', name)));
  const quiet: Answer[] = [];
  for (let turn = 0; turn < quietRequests; turn += 1)
    quiet.push(await one('quiet', `quiet-${turn}`));
  return { crowd: await crowd, quiet };
}

async function storedKeys(sender: Sender): Promise<readonly string[]> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const { rows } = await client.query<{ key: string }>(
    'SELECT identity_key AS key FROM events WHERE tenant_id = $1',
    [sender],
  );
  await client.end();
  return rows.map(({ key }) => key).toSorted();
}

/** @returns how many requests that took */
async function fillBoth(): Promise<number> {
  const senders = ['crowd', 'quiet'] as const;
  for (const sender of senders) {
    expect(await push(sender, `${sender}-fill`, pageSize)).toEqual(served);
  }
  return senders.length;
}

const served = { status: 200, code: undefined, retryAfter: null };
const busy = {
  ...{ status: 503, code: 'TENANT_BUSY' },
  retryAfter: expect.stringMatching(/^[1-4]$/),
};

const ways = {
  pushes: { one: push, bound: 'MAX_TENANT_BATCHES', before: async () => 0 },
  pulls: { one: pull, bound: 'MAX_TENANT_READS', before: fillBoth },
};

test.each(Object.entries(ways))(
  'fault 14: another tenant’s %s are answered while much of a crowd of 500 still waits, though it came last',
  async (_what, { one, bound, before }) => {
    await start({ [bound]: `${crowdSize}` });
    const earlier = await before();
    const { crowd, quiet } = await askAll(one);
    expect(quiet).toEqual(quiet.map(() => served));
    // On a machine that takes minutes for the crowd, part of it is told that it waited for too long.
    expect(crowd.filter(({ status }) => status !== 200 && status !== 503)).toEqual([]);
    const order = await answeredInOrder(earlier + crowdSize + quietRequests);
    const waitingStill = order.slice(order.lastIndexOf('quiet') + 1);
    expect(waitingStill.length).toBeGreaterThan(crowdSize / 4);
  },
);

test('fault 14: beyond its bound the crowd is told to come back, nothing of those pushes is stored, and nobody else is refused', async () => {
  await start({ MAX_TENANT_BATCHES: '50' });
  const { crowd, quiet } = await askAll(push);
  expect(quiet).toEqual(quiet.map(() => served));
  const taken = crowd.flatMap(({ status }, index) => (status === 200 ? [index] : []));
  const refused = crowd.flatMap(({ status }, index) => (status === 200 ? [] : [index]));
  expect(taken.length).toBeGreaterThanOrEqual(50);
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.map((index) => crowd[index])).toEqual(refused.map(() => busy));
  const keysOfBatches = (indexes: readonly number[]) =>
    indexes.flatMap((index) => keysOf(`crowd-${index}`, batchSize)).toSorted();
  expect(await storedKeys('crowd')).toEqual(keysOfBatches(taken));
  expect(await storedKeys('quiet')).toHaveLength(quietRequests * batchSize);

  while (refused.length > 0) {
    const again = refused.splice(0, 25).map((index) => push('crowd', `crowd-${index}`));
    expect(await Promise.all(again)).toEqual(again.map(() => served));
  }
  expect(await storedKeys('crowd')).toEqual(keysOfBatches(crowd.map((_answer, index) => index)));
});

test('fault 14: beyond its bound a crowd that pulls is told to come back, and nobody else is refused', async () => {
  await start({ MAX_TENANT_READS: '50' });
  await fillBoth();
  const { crowd, quiet } = await askAll(pull);
  expect(quiet).toEqual(quiet.map(() => served));
  const refused = crowd.filter(({ status }) => status !== 200);
  expect(crowd.length - refused.length).toBeGreaterThanOrEqual(50);
  expect(refused.length).toBeGreaterThan(0);
  expect(refused).toEqual(refused.map(() => busy));
  expect(service.logLines.filter(({ event }) => event === 'request.failed')).toEqual([]);
});
