import { execFile } from 'node:child_process';
import { realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import type { Device, PullOutcome } from '../testkit/checker/device.ts';
import { readStoredState } from '../testkit/checker/stored-state.ts';
import { patchNote, putNote, removeNote } from '../testkit/events/sent-events.ts';
import { startPostgres } from '../testkit/postgres/postgres-process.ts';
import { newService, newTenant } from './fixtures.ts';

const run = promisify(execFile);

/** A PostgreSQL that can be restored from a copy of its data directory. */
async function newPostgres() {
  const postgres = await startPostgres();
  const data = await realpath(join(postgres.dataDir, 'pg'));
  const backup = `${data}.backup`;
  onTestFinished(async () => {
    await postgres.stop();
    await rm(backup, { recursive: true, force: true });
  });
  return {
    url: postgres.url,
    async backUp(): Promise<void> {
      await postgres.kill();
      await run('cp', ['-a', data, backup]);
      await postgres.start();
    },
    async restore(): Promise<void> {
      await postgres.kill();
      await rm(data, { recursive: true });
      await run('cp', ['-a', backup, data]);
      await postgres.start();
    },
  };
}

/** Pulls one page, once the service has connected to the restored database. */
async function pageAfterRestore(device: Device): Promise<PullOutcome> {
  let outcome: PullOutcome = 'fail';
  await expect
    .poll(async () => (outcome = await device.page(1)), { timeout: 30_000 })
    .not.toBe('fail');
  return outcome;
}

test('fault 19: after a restore the checkpoints of the lost versions expire, devices push their events again, and all devices converge', async () => {
  const postgres = await newPostgres();
  const services = [await newService(postgres.url), await newService(postgres.url)] as const;
  const tenant = newTenant(postgres.url);
  const device = (name: string, at: 0 | 1 = 0) => tenant.device(name, services[at]);
  const [laptop, phone] = [device('laptop'), device('phone', 1)];
  await laptop.push([putNote('untouched'), putNote('n1'), putNote('n2'), putNote('n3')]);
  await phone.push([patchNote('n1', { title: 'kept' }), removeNote('n3')]);
  const [early, behind] = [device('early'), device('behind', 1)];
  await early.catchUp();
  await behind.page(1);
  await postgres.backUp();
  const { head } = await readStoredState(postgres.url, tenant.id);

  const laptopEvents = [
    patchNote('n1', { body: 'lost' }),
    putNote('n4'),
    removeNote('n2'),
    putNote('n5'),
  ];
  const phoneEvents = [
    putNote('n2', { title: 'lost' }),
    patchNote('n4', { title: 'lost' }),
    removeNote('n5'),
  ];
  const pushAll = async () => {
    for (const [one, events] of [
      [laptop, laptopEvents],
      [phone, phoneEvents],
    ] as const) {
      await one.push(events);
      expect(await one.drain()).toEqual([]);
    }
  };
  await pushAll();
  const lost = ['up to date', 'late', 'later'].map((name, at) => device(name, at === 1 ? 1 : 0));
  for (const puller of lost) await puller.catchUp();
  const halfWay = device('half way');
  await halfWay.page(1);
  await postgres.restore();
  tenant.history.recordRestore(head);

  // These checkpoints are later than the restored head.
  const [first, second, third] = lost as [Device, Device, Device];
  expect(await pageAfterRestore(first)).toBe('expired');
  expect(await pageAfterRestore(halfWay)).toBe('expired');
  expect(await pageAfterRestore(early)).toBe('ok');
  expect(await pageAfterRestore(behind)).toBe('ok');

  // The same events at the same versions are another history: the lost checkpoints stay expired.
  await pushAll();
  const again = await readStoredState(postgres.url, tenant.id);
  expect(again.log.slice(head).map(({ identityKey }) => identityKey)).toEqual(
    [...laptopEvents, ...phoneEvents].map(({ identityKey }) => identityKey),
  );
  expect(await pageAfterRestore(second)).toBe('expired');
  expect(await laptop.push([putNote('n6')])).toMatchObject({ outcome: 'ok' });
  expect(await pageAfterRestore(third)).toBe('expired');

  for (const puller of [laptop, phone, early, behind, halfWay, ...lost]) await puller.catchUp(2);
  expect([early, behind].map(({ expirations }) => expirations)).toEqual([0, 0]);
  await tenant.expectNothingLost();
});
