import { expect, onTestFinished, test } from 'vitest';
import { readStoredState } from '../testkit/checker/stored-state.ts';
import type { Device } from '../testkit/checker/device.ts';
import { patchNote, putNote, removeNote } from '../testkit/events/sent-events.ts';
import { fakeTime } from '../testkit/processes/fake-time.ts';
import { makeDataDir, removeDataDir } from '../testkit/postgres/data-dir.ts';
import { type PostgresProcess, startPostgres } from '../testkit/postgres/postgres-process.ts';
import { withClient } from '../testkit/postgres/client.ts';
import { newService, newTenant } from './fixtures.ts';

const minute = 60_000;
const day = 24 * 60 * minute;
const year = 365 * day;

const aDayBack = fakeTime('-1d');
const method = aDayBack ? 'with faketime' : 'simulated, as Debian’s faketime is not installed here';

async function newPostgres(dataDir: string, env: NodeJS.ProcessEnv = {}): Promise<PostgresProcess> {
  const postgres = await startPostgres({ dataDir, env });
  onTestFinished(() => postgres.stop());
  return postgres;
}

/** How far the newest stored event is ahead of the server's clock, in milliseconds. */
async function aheadOf({ url }: PostgresProcess): Promise<number> {
  const text = `SELECT extract(epoch FROM max(received_at) - clock_timestamp())::float8 * 1000 AS ahead
                  FROM event_log`;
  const { rows } = await withClient(url, (client) => client.query<{ ahead: number }>(text));
  return rows[0]?.ahead ?? 0;
}

/** Moves all stored times a day ahead, as if the server's clock had been a day ahead and was set back since. */
async function moveStoredAhead({ url }: PostgresProcess): Promise<void> {
  const ahead = (json: string) =>
    json.replaceAll(/\b\d{16}\b/g, (at) => `${Number(at) + day * 1000}`);
  await withClient(url, async (client) => {
    const later = (column: string) => `${column} = ${column} + interval '1 day'`;
    await client.query(`UPDATE events SET ${['received_at', 'effective_at'].map(later).join()}`);
    await client.query(`UPDATE tenants SET ${later('head_received_at')}`);
    const { rows } = await client.query('SELECT tenant_no, entity_id, clock::text FROM records');
    for (const { tenant_no, entity_id, clock } of rows) {
      await client.query(
        `UPDATE records SET clock = $3, ${['origin_at', 'created_at', 'updated_at'].map(later).join()}
          WHERE tenant_no = $1 AND entity_id = $2`,
        // Without a clock of its own, the record has the time of its origin.
        [tenant_no, entity_id, clock && ahead(clock)],
      );
    }
  });
}

test(`fault 18: with clients a year off and a server set back by a day, new edits win and no effective time is after its time of receipt (${method})`, async () => {
  const dataDir = await makeDataDir();
  onTestFinished(() => removeDataDir(dataDir));
  const before = await newPostgres(dataDir);
  const service = await newService(before.url);
  const tenant = newTenant(before.url);
  const devices = [year, -year, 0].map((offset) =>
    tenant.device(`${offset / day} days ahead`, service, () => Date.now() + offset),
  );

  /** Each device sends times of its own clock, some of them in the future. */
  async function edit(round: string): Promise<void> {
    for (const [at, device] of devices.entries()) {
      const now = Date.now() + ([year, -year, 0][at] ?? 0);
      const on = (time: number) => ({ occurredAt: new Date(time).toISOString() });
      await device.push([
        putNote('n1', { title: `${round} ${at}` }, on(now - (3 - at) * minute)),
        putNote(`own-${at}`, { title: round }),
        patchNote('n1', { body: `${round} ${at}` }, on(now + minute)),
        putNote('n2', { title: `${round} ${at}` }, on(now + year)),
        ...(at === 1 ? [removeNote('n2', on(now - 2 * minute))] : []),
      ]);
      expect(await device.drain()).toEqual([]);
      await device.catchUp(2);
    }
  }

  await edit('before');
  if (aDayBack) await before.stop();
  else await moveStoredAhead(before);
  const after = aDayBack ? await newPostgres(dataDir, aDayBack) : before;
  expect(await aheadOf(after)).toBeGreaterThan(day - 10 * minute);
  await edit('after');

  // New writes win over old ones, also without a time and with a base.
  const [device] = devices as [Device];
  const first = putNote('n1', { title: 'without a time' });
  const second = putNote('n1', { title: 'on what it saw' }, { baseKey: first.identityKey });
  const { answer } = await device.push([first, second]);
  expect(answer?.results).toMatchObject([{ status: 'applied' }, { status: 'applied' }]);
  expect(answer?.results?.map(({ clockAdjusted }) => clockAdjusted)).toEqual([
    undefined,
    undefined,
  ]);

  const { log } = await readStoredState(after.url, tenant.id);
  expect(log.filter(({ effectiveAt, receivedAt }) => effectiveAt > receivedAt)).toEqual([]);
  const received = log.map(({ receivedAt }) => receivedAt);
  expect(received).toEqual([...new Set(received)].toSorted((left, right) => left - right));
  await device.catchUp();
  expect(device.table.get('note n1')?.data).toMatchObject({ title: 'on what it saw' });
  await tenant.expectNothingLost();
});
