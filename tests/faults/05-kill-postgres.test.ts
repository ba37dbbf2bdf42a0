import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { isRunning } from '../testkit/processes/child-process.ts';
import { patchNote, putNote } from '../testkit/events/sent-events.ts';
import { startPostgres } from '../testkit/postgres/postgres-process.ts';
import { processTreeOf } from '../testkit/processes/process-tree.ts';
import { newService, newTenant } from './fixtures.ts';

/** The codes with which a push may be refused while the database is down. */
const temporaryCodes = new Set(['UNAVAILABLE', 'COMMIT_UNKNOWN']);
const kills = 3;

test('fault 5: after kill -9 of PostgreSQL under load all acknowledged events are stored, and the service recovers by itself', async () => {
  const postgres = await startPostgres();
  try {
    const service = await newService(postgres.url);
    const tenants = [newTenant(postgres.url), newTenant(postgres.url)];
    const devices = tenants.flatMap((tenant) =>
      ['d1', 'd2', 'd3'].map((name) => tenant.device(name, service)),
    );
    const accepted = () =>
      tenants.flatMap(({ history }) => history.requests).filter(({ outcome }) => outcome === 'ok')
        .length;
    const acceptedBeyond = (count: number) =>
      vi.waitUntil(() => accepted() > count, { timeout: 60_000, interval: 5 });
    const readiness = async () => (await fetch(`${service.url}/readyz`)).status;

    const work = { done: false };
    const pushers = devices.map(async (device, index) => {
      for (let round = 0; !work.done; round += 1) {
        const id = `n${(index + round) % 7}`;
        const batch = [putNote(id, { title: `${round}` }), patchNote(id, { body: device.name })];
        const { outcome } = await device.push(batch, { atomic: round % 2 === 0 });
        if (round % 5 === 0) await device.page();
        // All refused batches are sent again at the end. The pause limits their number.
        if (outcome !== 'ok') await sleep(50);
      }
    });
    const killOnce = async () => {
      const processes = processTreeOf(postgres.pid());
      await postgres.kill();
      expect(processes.filter(isRunning)).toEqual([]);
      expect(await readiness()).toBe(503);
      await postgres.start();
      await vi.waitUntil(async () => (await readiness()) === 200, { timeout: 60_000 });
    };
    for (let kill = 0; kill < kills; kill += 1) {
      await acceptedBeyond(accepted() + 20);
      await killOnce();
    }
    await acceptedBeyond(accepted() + 20);
    work.done = true;
    await Promise.all(pushers);
    // Once more, while all connections of the service are idle.
    await killOnce();

    for (const device of devices) expect(await device.drain()).toEqual([]);
    const requests = tenants.flatMap(({ history }) => history.requests);
    const refused = requests.filter(({ outcome }) => outcome !== 'ok');
    expect(refused.length).toBeGreaterThan(0);
    for (const { status, reason = '' } of refused) {
      expect([status, temporaryCodes.has(reason) || reason]).toEqual([503, true]);
    }
    for (const tenant of tenants) await tenant.expectNothingLost();
  } finally {
    await postgres.stop();
  }
}, 120_000);
