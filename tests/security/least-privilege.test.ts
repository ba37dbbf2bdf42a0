import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { putNote } from '../testkit/events/sent-events.ts';
import { createDatabase } from '../testkit/postgres/test-database.ts';
import { startService } from '../testkit/processes/service-process.ts';

/** The permissions of the process: it may read files and use the network. Older versions of Node have no flag for the network. */
const permissions = ['--permission', '--allow-fs-read=*', '--allow-net'].filter(
  (flag) => flag !== '--allow-net' || process.allowedNodeEnvironmentFlags.has(flag),
);

test('in production the service writes no file and starts no process, worker or addon', async () => {
  const database = await createDatabase();
  const dataDir = await mkdtemp(join(tmpdir(), 'landfall-read-only-'));
  const env = {
    NODE_ENV: 'production',
    DATABASE_URL: database.url,
    NODE_OPTIONS: permissions.join(' '),
  };
  const service = await startService({ dataDir, env });
  const headers = {
    authorization: `Bearer ${service.token({ tenant: 't1' })}`,
    'content-type': 'application/json',
  };
  const changes = `${service.url}/api/sync/changes`;
  const body = JSON.stringify({ events: [putNote('n1')] });
  const events = `${service.url}/api/sync/events`;
  expect((await fetch(events, { method: 'POST', headers, body })).status).toBe(200);
  expect((await fetch(changes, { headers })).status).toBe(200);
  expect((await fetch(`${service.url}/docs/`)).status).toBe(200);
  await service.stop();
  expect(service.logLines.at(-1)).toMatchObject({ event: 'service.stopped' });
  expect(service.output()).not.toMatch(/ERR_ACCESS_DENIED|Warning/);
  expect(await readdir(dataDir)).toEqual([]);
  await rm(dataDir, { recursive: true });
  await database.drop();
});
