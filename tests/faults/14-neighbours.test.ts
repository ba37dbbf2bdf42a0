import { beforeEach, expect, test } from 'vitest';
import { withClient } from '../testkit/postgres/client.ts';
import type { ServiceProcess } from '../testkit/processes/service-process.ts';
import { newDatabase, newService } from './fixtures.ts';

/** The number of requests that one tenant, the crowd, sends at the same time. */
const crowdSize = 500;
/** The number of requests that the quiet tenant sends one after the other, after all requests of the crowd. */
const quietRequests = 5;
/** The number of events in each push of the crowd. */
const batchSize = 15;
/** Large, so that requests arrive faster than the service can answer them. */
const pageSize = 400;
const polling = { timeout: 60_000 };

let databaseUrl: string;
let service: ServiceProcess;
beforeEach(async () => {
  databaseUrl = await newDatabase();
});

/** Starts a service with small transactions and one read at a time, so that a queue forms on any machine. */
async function start(env: { readonly [name: string]: string }): Promise<void> {
  const narrow = { COMMIT_LANES: '1', READ_LANES: '1', MAX_GROUP_EVENTS: `${2 * batchSize}` };
  service = await newService(databaseUrl, { ...narrow, ...env });
}

type Sender = 'crowd' | 'quiet';

interface Answer {
  readonly status: number;
  readonly code: unknown;
  readonly retryAfter: string | null;
}

async function send(sender: Sender, path: string, body?: object): Promise<Answer> {
  // Each sender is a tenant with one device, whose name the log lines contain.
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
  return send(sender, '/api/sync/events', { events });
}

const pull = (sender: Sender) => send(sender, `/api/sync/changes?limit=${pageSize}`);

/** The devices that were answered, in the order of the answers. */
async function answeredInOrder(requests: number): Promise<readonly unknown[]> {
  const devices = () =>
    service.logLines.flatMap(({ event, device }) => (event === 'request' ? [device] : []));
  await expect.poll(() => devices().length, polling).toBe(requests);
  return devices();
}

interface Answers {
  readonly crowd: readonly Answer[];
  readonly quiet: readonly Answer[];
}

/** Sends all requests of the crowd at the same time, and then those of the quiet tenant. */
async function sendAll(
  request: (sender: Sender, name: string) => Promise<Answer>,
): Promise<Answers> {
  const names = Array.from({ length: crowdSize }, (_, index) => `crowd-${index}`);
  const crowd = Promise.all(names.map((name) => request('crowd', name)));
  const quiet: Answer[] = [];
  for (let index = 0; index < quietRequests; index += 1) {
    quiet.push(await request('quiet', `quiet-${index}`));
  }
  return { crowd: await crowd, quiet };
}

async function storedKeys(sender: Sender): Promise<readonly string[]> {
  const text = 'SELECT identity_key AS key FROM event_log WHERE tenant_id = $1';
  const { rows } = await withClient(databaseUrl, (client) =>
    client.query<{ key: string }>(text, [sender]),
  );
  return rows.map(({ key }) => key).toSorted();
}

/** Gives both tenants a page of records. @returns the number of requests */
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

const requestTypes = {
  pushes: { request: push, setting: 'MAX_TENANT_BATCHES', prepare: async () => 0 },
  pulls: { request: pull, setting: 'MAX_TENANT_READS', prepare: fillBoth },
};

test.each(Object.entries(requestTypes))(
  'fault 14: %s of another tenant that come last are answered while many of the crowd’s 500 requests still wait',
  async (_type, { request, setting, prepare }) => {
    await start({ [setting]: `${crowdSize}` });
    const earlier = await prepare();
    const { crowd, quiet } = await sendAll(request);
    expect(quiet).toEqual(quiet.map(() => served));
    // On a machine that needs minutes for the crowd, some of its requests time out in the queue.
    expect(crowd.filter(({ status }) => status !== 200 && status !== 503)).toEqual([]);
    const order = await answeredInOrder(earlier + crowdSize + quietRequests);
    const answeredLater = order.slice(order.lastIndexOf('quiet') + 1);
    expect(answeredLater.length).toBeGreaterThan(crowdSize / 4);
  },
);

test('fault 14: pushes of the crowd beyond its limit are answered 503 and not stored, and no other tenant is refused', async () => {
  await start({ MAX_TENANT_BATCHES: '50' });
  const { crowd, quiet } = await sendAll(push);
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

test('fault 14: pulls of the crowd beyond its limit are answered 503, and no other tenant is refused', async () => {
  await start({ MAX_TENANT_READS: '50' });
  await fillBoth();
  const { crowd, quiet } = await sendAll(pull);
  expect(quiet).toEqual(quiet.map(() => served));
  const refused = crowd.filter(({ status }) => status !== 200);
  expect(crowd.length - refused.length).toBeGreaterThanOrEqual(50);
  expect(refused.length).toBeGreaterThan(0);
  expect(refused).toEqual(refused.map(() => busy));
  expect(service.logLines.filter(({ event }) => event === 'request.failed')).toEqual([]);
});
