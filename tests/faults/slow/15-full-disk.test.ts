import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, readFile, realpath, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import type { Device } from '../../testkit/checker/device.ts';
import { put } from '../../testkit/oracle/events.ts';
import { processStartMark } from '../../../dev/embedded-postgres/processes.ts';
import { makeDataDir, removeDataDir } from '../../testkit/postgres.ts';
import { type PostgresProcess, startPostgres } from '../../testkit/postgres-process.ts';
import { createSmallDisk, type SmallDisk } from '../../testkit/small-disk.ts';
import { withClient } from '../../testkit/template.ts';
import { newService, newTenant, type StagedTenant } from '../stage.ts';

const run = promisify(execFile);
const mebibyte = 1024 ** 2;

async function newDisk(bytes: number): Promise<SmallDisk> {
  const disk = await createSmallDisk(bytes);
  process.stderr.write(`fault 15: the disk is ${disk.means}\n`);
  onTestFinished(() => disk.remove());
  return disk;
}

async function newPostgres(dataDir: string, { inside }: SmallDisk): Promise<PostgresProcess> {
  const postgres = await startPostgres({ dataDir, ...(inside && { inside }) });
  onTestFinished(() => postgres.stop());
  return postgres;
}

async function newDataDir(): Promise<string> {
  const dataDir = await makeDataDir();
  onTestFinished(() => removeDataDir(dataDir));
  return dataDir;
}

let made = 0;
/** Some 100 kB that nothing can compress. */
function bulk() {
  return Array.from({ length: 10 }, () => {
    made += 1;
    return put(`bulk-${made}`, { body: randomBytes(7_500).toString('base64') });
  });
}

/** Pushes until it is refused five times in a row, each time as the contract has it. */
async function pushUntilFull(device: Device, { history }: StagedTenant): Promise<void> {
  for (let refused = 0; refused < 5; ) {
    const { status, reason = '' } = await device.push(bulk());
    const isRefusal = status === 503 && ['UNAVAILABLE', 'COMMIT_UNKNOWN'].includes(reason);
    expect([status, reason, isRefusal || status === 200]).toEqual([status, reason, true]);
    refused = isRefusal ? refused + 1 : 0;
    expect(history.requests.length).toBeLessThan(1_000);
    await sleep(refused * 50);
  }
}

async function expectRefusal(answer: Response): Promise<void> {
  expect(await answer.json()).toMatchObject({ status: 503, code: 'UNAVAILABLE' });
  expect(answer.headers.get('retry-after')).toMatch(/^[1-9]\d?$/);
}

/** As a supervisor does: what has ended is started again, which fails while there is no room. */
function keepRunning(postgres: PostgresProcess): void {
  const watch = { ended: false };
  const watching = (async () => {
    while (!watch.ended) {
      if (processStartMark(postgres.pid()) === undefined) await postgres.start().catch(() => {});
      await sleep(100);
    }
  })();
  onTestFinished(() => {
    watch.ended = true;
    return watching;
  });
}

test('fault 15: a full disk for tables is answered 503, reads go on, and it recovers when there is room', async () => {
  const disk = await newDisk(16 * mebibyte);
  const dataDir = await newDataDir();
  const postgres = await newPostgres(dataDir, disk);
  const { uid, gid } = await stat(join(dataDir, 'pg'));
  await mkdir(join(disk.reachable, 'tables'), { mode: 0o700 });
  await chown(join(disk.reachable, 'tables'), uid, gid);
  await withClient(postgres.url, async (client) => {
    await client.query(`CREATE TABLESPACE small LOCATION '${join(disk.folder, 'tables')}'`);
    await client.query('ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE small');
    await client.query('ALTER INDEX ALL IN TABLESPACE pg_default SET TABLESPACE small');
  });

  const service = await newService(postgres.url);
  const tenant = newTenant(postgres.url);
  const device = tenant.device('laptop', service);
  expect(await device.push(bulk())).toMatchObject({ outcome: 'ok' });
  await disk.fill();
  await pushUntilFull(device, tenant);
  await expectRefusal(await tenant.push(service, bulk()));
  expect(JSON.stringify(service.logLines)).toContain('"code":"53100"');
  expect(await device.pull()).toBe(true);

  await disk.makeRoom();
  expect(await device.drain()).toEqual([]);
  await device.catchUp();
  await tenant.expectNothingLost();
});

test('fault 15: a full disk for the log ends PostgreSQL, loses nothing, and is over when there is room', async () => {
  const disk = await newDisk(48 * mebibyte);
  const dataDir = await newDataDir();
  const onLargeDisk = await newPostgres(dataDir, disk);
  await onLargeDisk.stop();
  const log = join(await realpath(join(dataDir, 'pg')), 'pg_wal');
  await run('cp', ['-a', log, join(disk.reachable, 'log')]);
  await rm(log, { recursive: true });
  await symlink(join(disk.folder, 'log'), log);
  const postgres = await newPostgres(dataDir, disk);
  keepRunning(postgres);

  const service = await newService(postgres.url);
  const tenant = newTenant(postgres.url);
  const device = tenant.device('laptop', service);
  expect(await device.push(bulk())).toMatchObject({ outcome: 'ok' });
  await disk.fill();
  await pushUntilFull(device, tenant);
  await expectRefusal(await tenant.push(service, bulk()));
  const said = await readFile(join(dataDir, 'postgres.log'), 'utf8');
  expect(said).toMatch(/PANIC: .*No space left/);

  await disk.makeRoom();
  expect(await device.drain()).toEqual([]);
  await device.catchUp();
  await tenant.expectNothingLost();
});
