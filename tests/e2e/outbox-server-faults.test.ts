import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Data } from '../outbox/outbox.ts';
import type { ServiceProcess } from '../testkit/processes/service-process.ts';
import type { GatewayHandler } from './gateway.ts';
import {
  attempts,
  codes,
  fakeClock,
  keysOf,
  openBehindGateway,
  patch,
  put,
  serverLog,
  startAnother,
  useOutboxes,
} from './outbox-harness.ts';
import type { LocalKind } from './systems/local-kinds.ts';
import { noteKinds } from './systems/notes/client.ts';

useOutboxes();

const day = 86_400_000;

/** Without MENDED, `brittle.put` throws on a large size, and its version 2 and `planned.put` are unknown. */
const source = `
import { append, bundledKinds, defineKind, payload } from 'landfall';
import { z } from 'zod';

const mended = process.env.MENDED === 'yes';
const shape = z.strictObject({ id: z.string(), size: z.number() });
const kind = (name, versions) => defineKind({
  name: name + '.put',
  entityType: name,
  payload: versions,
  entityId: ({ id }) => id,
  policy: append((_state, { size }) => {
    if (!mended && size > 1) throw new Error('this kind did not expect that');
    return { size };
  }),
});
const old = payload(shape);
const brittle = kind('brittle', mended ? old.next(shape, (older) => older) : old);

export default [...bundledKinds, brittle, ...(mended ? [kind('planned', old)] : [])];
`;

const local = (entityType: string): LocalKind => ({
  entityType,
  entityId: ({ id }: Data) => String(id),
  apply: (_before, { size }) => ({ size }),
});
const kinds = { ...noteKinds, 'brittle.put': local('brittle'), 'planned.put': local('planned') };

/** Inside the project, so that `import 'landfall'` is resolved. */
let folder: string;
beforeAll(async () => {
  const data = fileURLToPath(new URL('../../.data/', import.meta.url));
  await mkdir(data, { recursive: true });
  folder = await mkdtemp(join(data, 'server-faults-'));
  await writeFile(join(folder, 'kinds.js'), source);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const edit = (id: string, size: number) => ({ kind: 'brittle.put', payload: { id, size } });

/** A device, its clock, and a service whose kinds `mend` corrects. */
async function openAtBrittleService(answering: GatewayHandler = ({ forward }) => forward()) {
  const clock = fakeClock();
  const start = (mended: string) =>
    startAnother({ KINDS: join(folder, 'kinds.js'), MENDED: mended });
  let service: ServiceProcess = await start('no');
  const options = { ...clock, kinds };
  const device = await openBehindGateway('laptop', answering, options, () => service.url);
  return {
    device,
    clock,
    mend: async () => {
      await service.stop();
      service = await start('yes');
    },
  };
}

test('after a fault of the server, events wait until it is mended, and keep their order', async () => {
  const { device, clock, mend } = await openAtBrittleService();
  const [broken, behind] = [device.enqueue(edit('a', 2)), device.enqueue(edit('a', 1))];
  const taken = [device.enqueue(edit('b', 1)), device.enqueue(put('n1'))];
  const unknown = device.enqueue({ kind: 'planned.put', payload: { id: 'p', size: 1 } });
  const newer = device.enqueue({ ...edit('c', 1), version: 2 });
  await device.sync();
  expect(keysOf(await serverLog())).toEqual(taken);
  expect(codes(device.waitingForServer())).toEqual([
    ...['KIND_FAILED', 'BLOCKED', 'UNKNOWN_KIND', 'UNSUPPORTED_VERSION'],
  ]);
  for (let tries = 0; tries < 5; tries += 1) {
    clock.pass(3_600_000);
    await device.sync();
  }
  expect(attempts(device.waitingForServer())).toEqual([0, 0, 0, 0]);
  expect(device.failed()).toEqual([]);
  expect([...device.view('brittle').keys()]).toEqual(['b', 'a', 'c']);

  await mend();
  clock.pass(3_600_000);
  await device.drain();
  expect([...device.pending(), ...device.failed(), ...device.waitingForServer()]).toEqual([]);
  expect(keysOf(await serverLog()).slice(2)).toEqual([broken, behind, unknown, newer]);
  expect(device.view('brittle').get('a')).toEqual({ size: 1 });
});

test('an event that waits for the server is sent after retryAfterMs, not earlier', async () => {
  let pushes = 0;
  const { device, clock } = await openAtBrittleService((request) => {
    pushes += request.method === 'POST' ? 1 : 0;
    return request.forward();
  });
  device.enqueue(edit('a', 2));
  await device.sync();
  const [waiting] = device.waitingForServer();
  clock.pass((waiting?.lastError.retryAfterMs ?? 0) - 1_000);
  await device.sync();
  expect(pushes).toBe(1);
  clock.pass(1_000);
  await device.sync();
  expect(pushes).toBe(2);
});

test('a device gives up an event 30 days after the first fault, not 30 days after the edit', async () => {
  const { device, clock, mend } = await openAtBrittleService();
  const key = device.enqueue(edit('a', 2));
  // The device is offline for longer than that before its first push.
  clock.pass(40 * day);
  await device.sync();
  clock.pass(29 * day);
  await device.sync();
  expect(codes(device.waitingForServer())).toEqual(['KIND_FAILED']);
  clock.pass(day);
  await device.sync();
  expect(device.waitingForServer()).toEqual([]);
  expect(codes(device.failed())).toEqual(['KIND_FAILED']);

  device.retry(key);
  await device.sync();
  expect(codes(device.waitingForServer())).toEqual(['KIND_FAILED']);
  await mend();
  await device.drain();
  expect(keysOf(await serverLog())).toEqual([key]);
});

test('a fault of the server counts no attempt, also between other failures', async () => {
  const clock = fakeClock();
  let isFaulty = true;
  const phone = await openBehindGateway(
    'phone',
    async ({ method, forward }) => {
      const answer = await forward();
      if (!isFaulty || method !== 'POST') return answer;
      const { failed, ...rest } = JSON.parse(await answer.text());
      const [entry] = failed;
      return Response.json({
        ...rest,
        failed: [{ ...entry, code: 'KIND_FAILED', fault: 'server' }],
      });
    },
    clock,
  );
  phone.enqueue(patch('nowhere', { title: 'lost' }));
  for (const faulty of [false, true, true, true, false]) {
    isFaulty = faulty;
    await phone.sync();
    clock.pass(3_600_000);
  }
  expect(attempts(phone.pending())).toEqual([2]);
  await phone.sync();
  expect(codes(phone.failed())).toEqual(['NOT_FOUND']);
});
