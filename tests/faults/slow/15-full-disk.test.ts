import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, readFile, realpath, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import type { Device } from '../../testkit/checker/device.ts';
import { putNote } from '../../testkit/events/sent-events.ts';
import { isRunning } from '../../testkit/processes/child-process.ts';
import { makeDataDir, removeDataDir } from '../../testkit/postgres/data-dir.ts';
import { type PostgresProcess, startPostgres } from '../../testkit/postgres/postgres-process.ts';
import { createSmallDisk, type SmallDisk } from '../../testkit/postgres/small-disk.ts';
import { withClient } from '../../testkit/postgres/client.ts';
import { newService, newTenant, type CheckedTenant } from '../fixtures.ts';

const run = promisify(execFile);
const mebibyte = 1024 ** 2;

async function newDisk(bytes: number): Promise<SmallDisk> {
  const disk = await createSmallDisk(bytes);
  process.stderr.write(`fault 15: the disk is ${disk.description}\n`);
  onTestFinished(() => disk.remove());
  return disk;
}

async function newPostgres(
  dataDir: string,
  { wrapCommand: inside }: SmallDisk,
): Promise<PostgresProcess> {
  const postgres = await startPostgres({ dataDir, ...(inside && { wrapCommand: inside }) });
  onTestFinished(() => postgres.stop());
  return postgres;
}

async function newDataDir(): Promise<string> {
  const dataDir = await makeDataDir();
  onTestFinished(() => removeDataDir(dataDir));
  return dataDir;
}

let createdNotes = 0;
/** Events of about 100 kB in total, which cannot be compressed. */
function largeBatch() {
  return Array.from({ length: 10 }, () => {
    createdNotes += 1;
    return putNote(`bulk-${createdNotes}`, { body: randomBytes(7_500).toString('base64') });
  });
}

/** Pushes until five pushes in a row are refused. Each refusal has to be one of those in the protocol. */
async function pushUntilFull(device: Device, { history }: CheckedTenant): Promise<void> {
  for (let refused = 0; refused < 5; ) {
    const { status, reason = '' } = await device.push(largeBatch());
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

/** Restarts PostgreSQL whenever it has ended, as a supervisor does. The start fails while the disk is full. */
function keepRunning(postgres: PostgresProcess): void {
  const watch = { ended: false };
  const watching = (async () => {
    while (!watch.ended) {
      if (!isRunning(postgres.pid())) await postgres.start().catch(() => {});
      await sleep(100);
    }
  })();
  onTestFinished(() => {
    watch.ended = true;
    return watching;
  });
}

test('fault 15: while the disk of the tables is full, pushes are answered 503 and pulls succeed, and pushes succeed once there is space', async () => {
  const disk = await newDisk(16 * mebibyte);
  const dataDir = await newDataDir();
  const postgres = await newPostgres(dataDir, disk);
  const { uid, gid } = await stat(join(dataDir, 'pg'));
  await mkdir(join(disk.hostFolder, 'tables'), { mode: 0o700 });
  await chown(join(disk.hostFolder, 'tables'), uid, gid);
  await withClient(postgres.url, async (client) => {
    await client.query(`CREATE TABLESPACE small LOCATION '${join(disk.folder, 'tables')}'`);
    await client.query('ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE small');
    await client.query('ALTER INDEX ALL IN TABLESPACE pg_default SET TABLESPACE small');
  });

  const service = await newService(postgres.url);
  const tenant = newTenant(postgres.url);
  const device = tenant.device('laptop', service);
  expect(await device.push(largeBatch())).toMatchObject({ outcome: 'ok' });
  await disk.fill();
  await pushUntilFull(device, tenant);
  await expectRefusal(await tenant.push(service, largeBatch()));
  expect(JSON.stringify(service.logLines)).toContain('"code":"53100"');
  expect(await device.pull()).toBe(true);

  await disk.freeSpace();
  expect(await device.drain()).toEqual([]);
  await device.catchUp();
  await tenant.expectNothingLost();
});

test('fault 15: a full disk of the write-ahead log ends PostgreSQL and loses nothing, and pushes succeed once there is space', async () => {
  const disk = await newDisk(48 * mebibyte);
  const dataDir = await newDataDir();
  const onLargeDisk = await newPostgres(dataDir, disk);
  await onLargeDisk.stop();
  const log = join(await realpath(join(dataDir, 'pg')), 'pg_wal');
  await run('cp', ['-a', log, join(disk.hostFolder, 'log')]);
  await rm(log, { recursive: true });
  await symlink(join(disk.folder, 'log'), log);
  const postgres = await newPostgres(dataDir, disk);
  keepRunning(postgres);

  const service = await newService(postgres.url);
  const tenant = newTenant(postgres.url);
  const device = tenant.device('laptop', service);
  expect(await device.push(largeBatch())).toMatchObject({ outcome: 'ok' });
  await disk.fill();
  await pushUntilFull(device, tenant);
  await expectRefusal(await tenant.push(service, largeBatch()));
  const serverLog = await readFile(join(dataDir, 'postgres.log'), 'utf8');
  expect(serverLog).toMatch(/PANIC: .*No space left/);

  await disk.freeSpace();
  expect(await device.drain()).toEqual([]);
  await device.catchUp();
  await tenant.expectNothingLost();
});
