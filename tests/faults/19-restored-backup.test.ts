import { execFile } from 'node:child_process';
import { realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import type { Device, PullOutcome } from '../testkit/checker/device.ts';
import { readStored } from '../testkit/checker/stored.ts';
import { patch, put, remove } from '../testkit/oracle/events.ts';
import { startPostgres } from '../testkit/postgres-process.ts';
import { newService, newTenant } from './stage.ts';

const run = promisify(execFile);

/** A PostgreSQL that can be set back to a copy of its data directory. */
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

/** One page, as soon as the service has found the database again. */
async function answeredPage(device: Device): Promise<PullOutcome> {
  let outcome: PullOutcome = 'fail';
  await expect
    .poll(async () => (outcome = await device.page(1)), { timeout: 30_000 })
    .not.toBe('fail');
  return outcome;
}

test('fault 19: after a restore the checkpoints of the lost tail expire, devices push it again, and all converge', async () => {
  const postgres = await newPostgres();
  const services = [await newService(postgres.url), await newService(postgres.url)] as const;
  const tenant = newTenant(postgres.url);
  const device = (name: string, at: 0 | 1 = 0) => tenant.device(name, services[at]);
  const [laptop, phone] = [device('laptop'), device('phone', 1)];
  await laptop.push([put('untouched'), put('n1'), put('n2'), put('n3')]);
  await phone.push([patch('n1', { title: 'kept' }), remove('n3')]);
  const [early, behind] = [device('early'), device('behind', 1)];
  await early.catchUp();
  await behind.page(1);
  await postgres.backUp();
  const { head } = await readStored(postgres.url, tenant.id);

  const ofLaptop = [patch('n1', { body: 'lost' }), put('n4'), remove('n2'), put('n5')];
  const ofPhone = [put('n2', { title: 'lost' }), patch('n4', { title: 'lost' }), remove('n5')];
  const pushAll = async () => {
    for (const [one, events] of [
      [laptop, ofLaptop],
      [phone, ofPhone],
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
  tenant.history.setBack(head);

  // Ahead of the head.
  const [ahead, passed, over] = lost as [Device, Device, Device];
  expect(await answeredPage(ahead)).toBe('expired');
  expect(await answeredPage(halfWay)).toBe('expired');
  expect(await answeredPage(early)).toBe('ok');
  expect(await answeredPage(behind)).toBe('ok');

  // The same events once more, at the same versions: still another history.
  await pushAll();
  const again = await readStored(postgres.url, tenant.id);
  expect(again.log.slice(head).map(({ identityKey }) => identityKey)).toEqual(
    [...ofLaptop, ...ofPhone].map(({ identityKey }) => identityKey),
  );
  expect(await answeredPage(passed)).toBe('expired');
  expect(await laptop.push([put('n6')])).toMatchObject({ outcome: 'ok' });
  expect(await answeredPage(over)).toBe('expired');

  for (const puller of [laptop, phone, early, behind, halfWay, ...lost]) await puller.catchUp(2);
  expect([early, behind].map(({ expirations }) => expirations)).toEqual([0, 0]);
  await tenant.expectNothingLost();
});
