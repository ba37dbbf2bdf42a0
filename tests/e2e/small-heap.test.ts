import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { conflictsOnLargeRecord } from '../testkit/events/heavy-requests.ts';
import { putNote } from '../testkit/events/sent-events.ts';
import { createDatabase, type TestDatabase } from '../testkit/postgres/test-database.ts';
import { removeDataDir } from '../testkit/postgres/data-dir.ts';
import { type ServiceProcess, startService } from '../testkit/processes/service-process.ts';

let database: TestDatabase;
let dataDir: string;
let service: ServiceProcess;
beforeAll(async () => {
  database = await createDatabase();
  dataDir = await mkdtemp(join(tmpdir(), 'landfall-small-heap-'));
  const env = { DATABASE_URL: database.url, NODE_OPTIONS: '--max-old-space-size=256' };
  service = await startService({ dataDir, env });
});
afterAll(async () => {
  await service.stop();
  await database.drop();
  await removeDataDir(dataDir);
});

async function push(tenant: string, events: readonly unknown[]) {
  const answer = await fetch(`${service.url}/api/sync/events?include=results`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${service.token({ tenant })}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ events }),
  });
  const text = await answer.text();
  return { status: answer.status, length: Buffer.byteLength(text), body: JSON.parse(text) };
}

/** As a client does that is told to come back, or that its batch is too much work. */
async function pushInParts(tenant: string, events: readonly unknown[]): Promise<number> {
  const { status, length, body } = await push(tenant, events);
  if (status === 503) return pushInParts(tenant, events);
  if (status === 413) {
    const first = await pushInParts(tenant, events.slice(0, body.maxEvents));
    return first + (await pushInParts(tenant, events.slice(body.maxEvents)));
  }
  expect(status).toBe(200);
  expect(length).toBeLessThanOrEqual(4_194_304);
  expect(body.failed[0]).toMatchObject({ code: 'CONFLICT' });
  return body.failed.length;
}

test('a process with a heap of 256 MB answers 500 conflicts on a large record, three times at once, and its neighbours', async () => {
  const tenant = 'large';
  const { before, events } = conflictsOnLargeRecord;
  for (const batch of before) {
    expect(await push(tenant, batch)).toMatchObject({ status: 200, body: { failed: [] } });
  }
  const batches = [events(), events(), events()];
  // The same ones again are answered by another path.
  for (const _time of ['first', 'again']) {
    const state = { isAnswered: false };
    const all = Promise.all(batches.map((batch) => pushInParts(tenant, batch)));
    const over = all.finally(() => (state.isAnswered = true));
    for (let edit = 0; !state.isAnswered; edit += 1) {
      const { status, body } = await push('quiet', [putNote(`n${edit}`)]);
      expect([status, body.failed]).toEqual([200, []]);
    }
    expect(await over).toEqual(batches.map(() => 500));
  }
  expect((await fetch(`${service.url}/livez`)).status).toBe(200);
});
