import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { RefusedError, UnavailableError } from '../outbox/request.ts';
import type { TcpProxy } from '../testkit/network/tcp-proxy.ts';
import {
  attempts,
  codes,
  fakeClock,
  fileOf,
  keysOf,
  notes,
  open,
  openBehindProxy,
  put,
  putMany,
  recordingFetch,
  serverLog,
  serverNotes,
  startAnother,
  tokenOf,
  useOutboxes,
  whileTenantIsLocked,
} from './outbox-harness.ts';

useOutboxes();

test('after a lost answer the retry is answered with duplicates, and nothing is applied twice', async () => {
  const { fetch, pushes } = recordingFetch();
  const [laptop, network] = await openBehindProxy('laptop', { fetch });
  const keys = putMany(laptop, 60);
  const lost = network.loseAnswerTo('POST ');
  await expect(laptop.push()).rejects.toThrow(UnavailableError);
  await lost;
  expect(await serverLog()).toHaveLength(50);
  expect(attempts(laptop.pending())).toEqual(keys.map(() => 0));

  await laptop.drain();
  expect(pushes[0]?.statuses).toEqual(Array(50).fill('duplicate'));
  expect(pushes[1]?.statuses).toEqual(Array(10).fill('applied'));
  expect(keysOf(await serverLog())).toEqual(keys);
  expect(await serverNotes()).toEqual(notes(laptop));
});

test('an app that is killed in the middle of a push sends the same events again', async () => {
  const [before, network] = await openBehindProxy('laptop');
  const keys = putMany(before, 60);
  const lost = network.loseAnswerTo('POST ', 'hang');
  const app = spawn(process.execPath, ['--input-type=module', '--eval', pushInProcess(network)]);
  await lost;
  app.kill('SIGKILL');
  await once(app, 'exit');

  const after = open('laptop');
  expect(after.pending().map(({ event }) => event.identityKey)).toEqual(keys);
  await after.sync();
  expect(after.pending()).toEqual([]);
  expect(keysOf(await serverLog())).toEqual(keys);
});

/** The program of an app whose process can be killed. */
function pushInProcess({ url }: TcpProxy): string {
  const options = { file: fileOf('laptop'), url };
  const module = new URL('../outbox/outbox.ts', import.meta.url);
  return `
    import { Outbox } from '${module.href}';
    const token = () => '${tokenOf('laptop')}';
    await new Outbox({ ...${JSON.stringify(options)}, token }).push();`;
}

test('after kill -9 of the service in the middle of a push, and a restart, device and server are equal', async () => {
  const first = await startAnother();
  const [laptop, network] = await openBehindProxy('laptop', {}, first.port);
  const keys = putMany(laptop, 120);
  const killed = network
    .whenForwarded('POST ')
    .then(() => network.whenForwarded('POST '))
    .then(() => first.kill('SIGKILL'));
  await expect(laptop.push()).rejects.toThrow(UnavailableError);
  await killed;
  expect([20, 70]).toContain(laptop.pending().length);
  await expect(laptop.sync()).rejects.toThrow(UnavailableError);

  await startAnother({}, first.port);
  await laptop.drain();
  expect(keysOf(await serverLog())).toEqual(keys);
  expect(await serverNotes()).toEqual(notes(laptop));
});

test('503: the device waits as long as the server asks, and counts no attempt', async () => {
  const busy = await startAnother({ MAX_TENANT_BATCHES: '1' });
  const later = fakeClock();
  const devices = ['d1', 'd2', 'd3', 'd4'].map((name) => open(name, { ...later, url: busy.url }));
  devices[0]?.enqueue(put('before'));
  await devices[0]?.sync();
  for (const [i, device] of devices.entries()) device.enqueue(put(`n${i}`));
  const pushes = await whileTenantIsLocked(async () => {
    const all = devices.map((device) => device.push());
    const refused = await Promise.any(all.map((push) => push.then(fail, (error) => error)));
    expect(refused).toBeInstanceOf(UnavailableError);
    expect(refused.message).toBe('answered 503');
    expect(refused.retryAfterMs).toBeGreaterThan(0);
    return all;
  });
  await Promise.allSettled(pushes);
  const waiting = devices.flatMap((device) => device.pending());
  expect(waiting.length).toBeGreaterThan(0);
  expect(new Set(attempts(waiting))).toEqual(new Set([0]));
  for (const device of devices) await device.drain();
  expect(await serverLog()).toHaveLength(5);
});

function fail(): never {
  throw new Error('the push was not refused');
}

test('401 keeps the queue until the user has signed in again', async () => {
  let ttl = -60;
  const laptop = open('laptop', { token: () => tokenOf('laptop', { ttl }) });
  laptop.enqueue(put('n1'));
  const refused = await laptop.sync().catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(RefusedError);
  expect(refused).toMatchObject({ status: 401 });
  expect(attempts(laptop.pending())).toEqual([0]);
  expect(notes(laptop)).toHaveProperty('n1');
  ttl = 60;
  await laptop.sync();
  expect(laptop.pending()).toEqual([]);
  expect(await serverNotes()).toHaveProperty('n1');
});

test('403 keeps the queue', async () => {
  const laptop = open('laptop', { token: () => tokenOf('laptop', { scope: 'sync:pull' }) });
  laptop.enqueue(put('n1'));
  const refused = await laptop.sync().catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(RefusedError);
  expect(refused).toMatchObject({ status: 403, code: 'FORBIDDEN' });
  expect(attempts(laptop.pending())).toEqual([0]);
});

test('413: the device halves the batch, and an event that is too large does not stop the others', async () => {
  const small = await startAnother({ MAX_BATCH_EVENTS: '20', MAX_BODY_BYTES: '8000' });
  const { fetch, pushes } = recordingFetch();
  const laptop = open('laptop', { url: small.url, fetch });
  putMany(laptop, 30);
  laptop.enqueue(put('large', 'large', 'x'.repeat(9_000)));
  for (let i = 30; i < 60; i += 1) laptop.enqueue(put(`n${i}`));
  await laptop.sync();
  expect(pushes.slice(0, 3).map((push) => push.keys.length)).toEqual([50, 25, 13]);
  expect(codes(laptop.failed())).toEqual(['BODY_TOO_LARGE']);
  expect(laptop.pending()).toEqual([]);
  expect(Object.keys(await serverNotes())).toHaveLength(60);
});
