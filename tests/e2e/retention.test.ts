import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createRetentionStore } from '../../src/postgres/retention/retention-store.ts';
import { putNote, removeNote } from '../testkit/events/sent-events.ts';
import { createTenant, type Tenant } from '../testkit/app/tenant.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { runNpmScript } from '../testkit/processes/npm-script.ts';
import { removeDataDir } from '../testkit/postgres/data-dir.ts';
import { horizonsOf, letDaysPass, tombstonesOf } from '../testkit/app/retention.ts';
import { startService } from '../testkit/processes/service-process.ts';

let app: TestApp;
let tenant: Tenant;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.close());
beforeEach(async () => {
  await app.sql('TRUNCATE tenants, events, records, purged_records');
  tenant = await createTenant(app);
  await tenant.push([putNote('n1'), putNote('n2'), removeNote('n1')]);
  await letDaysPass(tenant, 91);
});

const retention = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  runNpmScript('retention', args, { DATABASE_URL: app.database.url, ...env });

test('npm run retention -- --once runs one pass, and says what it did', async () => {
  const first = await retention(['--once'], { EVENT_RETENTION: '30d' });
  expect(first).toEqual({
    code: 0,
    stdout: 'purged 1 tombstones and dropped 3 payloads of 1 tenants\n',
    stderr: '',
  });
  expect(await tombstonesOf(tenant)).toEqual([]);
  expect(await horizonsOf(tenant)).toEqual({ horizon: 3, logHorizon: 3 });
  const second = await retention(['--once'], { EVENT_RETENTION: '30d' });
  expect(second.stdout).toBe('purged 0 tombstones and dropped 0 payloads of 1 tenants\n');
});

test('npm run retention needs of a production no more than its database', async () => {
  const env = { NODE_ENV: 'production', JWT_SECRET: '', JWKS_URL: '' };
  const { code, stdout, stderr } = await retention(['--once'], env);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toBe('purged 1 tombstones and dropped 0 payloads of 1 tenants\n');
  const without = await retention(['--once'], { ...env, DATABASE_URL: '' });
  expect(without).toEqual({
    ...{ code: 1, stdout: '', stderr: 'DATABASE_URL: is needed in production\n' },
  });
});

test('npm run retention says so where another process is at it, which is no fault', async () => {
  const session = await createRetentionStore(app.database.url).begin();
  const { code, stdout, stderr } = await retention(['--once']);
  await session?.end();
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toBe('another process is cleaning up this database: nothing was done\n');
  expect(await tombstonesOf(tenant)).toEqual(['n1']);
});

test('npm run retention finds the embedded database of a service that runs, and leaves it running', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'landfall-retention-'));
  const service = await startService({ dataDir });
  try {
    const { code, stdout } = await retention(['--once'], { DATABASE_URL: '', DATA_DIR: dataDir });
    expect([code, stdout]).toEqual([0, expect.stringContaining('of 0 tenants')]);
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
  } finally {
    await service.stop();
    await removeDataDir(dataDir);
  }
});

test('two services clean up by themselves, go on when one is killed, and stop in order', async () => {
  const env = {
    ...{ DATABASE_URL: app.database.url, TOMBSTONE_RETENTION: '1ms', EVENT_RETENTION: '1ms' },
    RETENTION_INTERVAL: '50ms',
  };
  const services = await Promise.all([1, 2].map(() => startService({ dataDir: '/none', env })));
  const [one, two] = services;
  const purged = () => vi.waitFor(async () => expect(await tombstonesOf(tenant)).toEqual([]));
  const both = { horizon: 3, logHorizon: 3 };
  try {
    await purged();
    // Payloads are dropped in a transaction of their own, after the tombstones.
    await vi.waitFor(async () => expect(await horizonsOf(tenant)).toEqual(both));
    await one?.kill('SIGKILL');
    await tenant.push([removeNote('n2')]);
    await purged();
    await two?.stop();
    await tenant.push([putNote('n3'), removeNote('n3')]);
    expect(await tombstonesOf(tenant)).toEqual(['n3']);
  } finally {
    for (const service of services) await service.kill('SIGKILL');
  }
});
