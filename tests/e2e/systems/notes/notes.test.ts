import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { request, UnavailableError } from '../../../outbox/request.ts';
import {
  codes,
  databaseUrl,
  fakeClock,
  notes,
  open,
  openBehindProxy,
  patch,
  put,
  queryTenant,
  remove,
  serverAs,
  serverLog,
  serverNotes,
  useOutboxes,
} from '../../outbox-harness.ts';
import { ofTenant } from '../../../testkit/postgres/tenant-history.ts';

// The steps are those of the document "Offline-First Synchronization Strategy".
useOutboxes();

const hour = 3_600_000;
const day = 24 * hour;

test('steps 1, 2, 5: three clients that wrote offline end with the same records', async () => {
  const clocks = [fakeClock(), fakeClock(), fakeClock()];
  const clients = await Promise.all(
    clocks.map((clock, i) => openBehindProxy(`client-${i}`, clock)),
  );
  for (const [i, [client, network]] of clients.entries()) {
    network.refuseConnections();
    for (let n = 0; n < 60; n += 1) client.enqueue(put(`n${n}`, `${n} by ${i}`));
    client.enqueue(put(`only-${i}`));
    await expect(client.sync()).rejects.toThrow(UnavailableError);
    expect(Object.keys(notes(client))).toHaveLength(61);
    // The next client writes an hour later.
    for (const { pass } of clocks.slice(0, i + 1)) pass(hour);
  }
  for (const [client, network] of clients.toReversed()) {
    network.acceptConnections();
    await client.sync();
  }
  for (const [client] of clients) await client.sync();
  const stored = await serverNotes();
  expect(Object.keys(stored)).toHaveLength(63);
  // The last write wins, in whatever order the clients sync.
  expect(stored.n59).toMatchObject({ title: '59 by 2' });
  for (const [client] of clients) expect(notes(client)).toEqual(stored);
  expect(await serverLog()).toHaveLength(183);
});

test('steps 3 and 4: an edit of a record that has changed on the server is refused, and can be made again', async () => {
  const [web, native] = [open('web'), open('native')];
  web.enqueue(put('n1', 'first'));
  await web.sync();
  await native.sync();
  web.enqueue(patch('n1', { title: 'by web' }));
  await web.sync();
  native.enqueue(patch('n1', { title: 'by native' }), true);
  expect(notes(native)).toMatchObject({ n1: { title: 'by native' } });
  await native.push();
  expect(codes(native.failed())).toEqual(['CONFLICT']);
  expect(notes(native)).toMatchObject({ n1: { title: 'by web' } });

  await native.pull();
  native.enqueue(patch('n1', { title: 'by native, again' }), true);
  await native.sync();
  await web.sync();
  expect(notes(web)).toEqual({ n1: { title: 'by native, again', body: '' } });
});

test('step 6: a pull brings the changes since the last one, and the deletes', async () => {
  const [electron, web] = [open('electron'), open('web')];
  for (const id of ['n1', 'n2', 'n3']) electron.enqueue(put(id));
  await electron.sync();
  await web.sync();
  const { checkpoint } = await request(serverAs('web'), '/api/sync/changes');
  electron.enqueue(patch('n1', { title: 'changed' }));
  electron.enqueue(remove('n2'));
  await electron.sync();
  const { changes } = await request(serverAs('web'), `/api/sync/changes?since=${checkpoint}`);
  expect(changes).toMatchObject([
    { entityId: 'n1', deleted: false, data: { title: 'changed' } },
    { entityId: 'n2', deleted: true, data: { title: 'n2' } },
  ]);
  await web.sync();
  expect(notes(web)).toEqual({ n1: { title: 'changed', body: '' }, n3: { title: 'n3', body: '' } });
});

test('step 6: after an absence longer than the retention a client bootstraps, and deleted records stay deleted', async () => {
  const device = fakeClock();
  const [electron, web, native] = [open('electron'), open('web'), open('native', device)];
  for (const id of ['kept', 'removed', 'patched', 'again']) electron.enqueue(put(id));
  await electron.sync();
  await web.sync();
  await native.sync();
  const { checkpoint } = await request(serverAs('native'), '/api/sync/changes');

  native.enqueue(put('removed', 'old edit'));
  native.enqueue(patch('patched', { title: 'old edit' }));
  native.enqueue(remove('kept'));
  native.enqueue(put('mine'));
  device.pass(100 * day);
  for (const id of ['removed', 'patched', 'again']) web.enqueue(remove(id));
  await web.sync();
  await passDays(91);
  web.enqueue(put('again', 'made again'));
  web.enqueue(put('kept', 'changed since'));
  await web.sync();
  await electron.sync();
  await cleanUp();
  const tombstones = `SELECT FROM records WHERE ${ofTenant} AND deleted`;
  expect(await queryTenant(tombstones)).toEqual([]);

  const resumed = request(serverAs('native'), `/api/sync/changes?since=${checkpoint}`);
  await expect(resumed).rejects.toMatchObject({ status: 410, code: 'CHECKPOINT_EXPIRED' });
  await native.drain();
  expect(native.failed()).toEqual([]);
  const stored = await serverNotes();
  expect(stored).toEqual({
    kept: { title: 'changed since', body: '' },
    again: { title: 'made again', body: '' },
    mine: { title: 'mine', body: '' },
  });
  for (const client of [electron, web, native]) {
    await client.sync();
    expect(notes(client)).toEqual(stored);
    expect(client.pending()).toEqual([]);
  }
});

/** Makes all events of the tenant older by a number of days. */
async function passDays(days: number): Promise<void> {
  const aged = (column: string) => `${column} = ${column} - interval '${days} days'`;
  await queryTenant(`UPDATE events SET ${aged('received_at')} WHERE ${ofTenant}`);
  await queryTenant(`UPDATE tenants SET ${aged('head_received_at')} WHERE id = $1`);
}

/** Runs the background job of the document once. */
async function cleanUp(): Promise<void> {
  const command = ['src/cli/retention.ts', '--once'];
  await promisify(execFile)(process.execPath, command, {
    cwd: fileURLToPath(new URL('../../../../', import.meta.url)),
    env: { ...process.env, DATABASE_URL: databaseUrl(), TOMBSTONE_RETENTION: '90d' },
  });
}
